"""When outputs are fetched again before a session is closed: with a time limit, and only for files that matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.session.backend_types import Observation, Retrieval, SessionState
from orchestrator.core.session.judgement import judge
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.settling import Doubt, open_question, undamaged, without_named
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from tests.unit.kernel.makers import SCENARIO, make_ticket

TICKET = make_ticket()
COMPLETE = Observation(state=SessionState.ENDED, native="COMPLETE", succeeded=True)
ERROR = Observation(state=SessionState.ENDED, native="ERROR")
FOLDER = f"{TICKET.section_dir}/data/models/checkpoints"


def _manifest(nonce: str = TICKET.nonce) -> Manifest:
    return Manifest(
        stamp={**TICKET.stamp(), "nonce": nonce},
        spec=dict(TICKET.spec),
        started_at="",
        ended_at="",
        exit_code=0,
        error=None,
        outcome=SectionOutcome(ending=KernelEnding.FINISHED, steps_done=40, verdict=Verdict.SUPPORTED),
        inputs=(),
        files=(),
        timings_s={},
    )


def _doubt(
    manifest: Manifest | None,
    *files: MissingFile,
    seen: Observation = COMPLETE,
    steps: int = 30,
    faults: tuple[str, ...] = (),
) -> Doubt | None:
    retrieval = Retrieval(folder=Path(), missing=tuple(map(str, files)), files=files)
    found = open_question(TICKET, seen, retrieval, manifest, faults, steps_verified=steps)
    return found.doubt if found else None


def _missing(path: str, lack: Lack) -> MissingFile:
    return MissingFile(path=path, lack=lack, reason="x")


def _checkpoint(steps: int, lack: Lack, suffix: str = ".zip") -> MissingFile:
    return _missing(f"{FOLDER}/{SCENARIO}_checkpoint_{steps}_steps{suffix}", lack)


def test_complete_outputs_leave_no_doubt() -> None:
    assert _doubt(_manifest()) is None


def test_a_missing_manifest_waits_long_after_complete_and_a_minute_after_error() -> None:
    unlisted = _missing("session_manifest.json", Lack.UNLISTED)
    assert _doubt(None, unlisted) is Doubt.MANIFEST
    assert _doubt(None, unlisted, seen=ERROR) is Doubt.FILES


def test_a_damaged_or_foreign_manifest_is_fetched_again_after_any_end() -> None:
    for seen in (COMPLETE, ERROR):
        assert _doubt(None, seen=seen, faults=("it cannot be read",)) is Doubt.MANIFEST
        assert _doubt(_manifest("f" * 32), seen=seen) is Doubt.STALE


@pytest.mark.parametrize("suffix", [".zip", ".state.npz", ".vecnormalize.json", ".json"])
def test_an_unanswered_file_matters_only_for_a_checkpoint_newer_than_the_verified(suffix: str) -> None:
    assert _doubt(_manifest(), _checkpoint(40, Lack.UNANSWERED, suffix)) is Doubt.UNANSWERED
    assert _doubt(_manifest(), _checkpoint(20, Lack.UNANSWERED, suffix)) is Doubt.FILES
    assert _doubt(_manifest(), _checkpoint(40, Lack.UNLISTED, suffix)) is Doubt.MANIFEST
    assert _doubt(None, _checkpoint(40, Lack.UNANSWERED, suffix), seen=ERROR) is Doubt.UNANSWERED


def test_a_file_with_a_name_impossible_on_this_computer_is_not_fetched_again() -> None:
    assert _doubt(_manifest(), _missing("a" * 300, Lack.UNWRITABLE)) is None


@given(
    st.lists(st.tuples(st.sampled_from(["events.jsonl", "a/b.csv", "kernel.log"]), st.sampled_from(Lack)), max_size=4)
)
def test_ordinary_files_keep_a_session_open_for_at_most_a_minute(lacks: list[tuple[str, Lack]]) -> None:
    assert _doubt(_manifest(), *(_missing(path, lack) for path, lack in lacks)) in (None, Doubt.FILES)
    assert Doubt.FILES.patience_s == 60.0


def test_an_own_manifest_with_another_spec_is_fetched_again_for_a_minute() -> None:
    manifest = _manifest()
    assert _doubt(replace(manifest, spec={**manifest.spec, "target_steps": 41})) is Doubt.FILES
    assert _doubt(replace(manifest, stamp={**manifest.stamp, "run_id": "rum"})) is Doubt.FILES


def test_every_doubt_has_a_time_limit() -> None:
    for doubt in Doubt:
        assert 0.0 < sum(doubt.pauses_s) <= doubt.patience_s <= 6 * 3600.0
        assert list(doubt.pauses_s[:3]) == sorted(doubt.pauses_s[:3])


def test_missing_files_do_not_affect_the_numbers_and_damaged_ones_do() -> None:
    missing = _missing("events.jsonl", Lack.UNANSWERED)
    judged = judge(TICKET, COMPLETE, _manifest(), (), (str(missing),))
    assert (judged.verdict, judged.problems) == (Verdict.SUPPORTED, ("events.jsonl x",))
    assert judge(TICKET, COMPLETE, _manifest(), ("toy.csv does not have its sha256",), (str(missing),)).verdict is None
    assert undamaged([_missing("a", Lack.DAMAGED), missing]) == (missing,)
    faults = ("a is missing", "b is missing", "b does not have its sha256")
    assert without_named(faults, ["b"]) == ("a is missing", "b does not have its sha256")


@pytest.mark.parametrize("lack", [Lack.WITHHELD, Lack.DAMAGED, Lack.UNLISTED])
@pytest.mark.parametrize("seen", [COMPLETE, ERROR])
def test_a_newer_checkpoint_is_awaited_whatever_is_wrong_with_it(lack: Lack, seen: Observation) -> None:
    assert _doubt(_manifest(), _checkpoint(40, lack), seen=seen) is Doubt.MANIFEST
    assert _doubt(None, _checkpoint(40, lack), seen=seen) is Doubt.MANIFEST
    assert _doubt(_manifest(), _checkpoint(20, lack), seen=seen) is Doubt.FILES


@pytest.mark.parametrize("lack", [Lack.WITHHELD, Lack.DAMAGED])
def test_a_manifest_that_is_listed_is_awaited_after_any_end(lack: Lack) -> None:
    assert _doubt(None, _missing("session_manifest.json", lack), seen=ERROR) is Doubt.MANIFEST


def test_a_checkpoint_that_only_the_log_names_is_awaited() -> None:
    retrieval = Retrieval(folder=Path(), steps_saved=40)
    asked = [open_question(TICKET, ERROR, retrieval, None, (), steps_verified=steps) for steps in (30, 40)]
    assert [found and found.doubt for found in asked] == [Doubt.MANIFEST, None]
    assert asked[0] is not None and "its log names a checkpoint at 40 steps" in asked[0].why
    assert open_question(TICKET, ERROR, retrieval, _manifest(), (), steps_verified=30) is None


def test_a_long_session_without_any_log_is_awaited() -> None:
    found = open_question(TICKET, ERROR, Retrieval(folder=Path()), None, (), steps_verified=0, silent=True)
    assert found is not None and found.doubt is Doubt.MANIFEST
