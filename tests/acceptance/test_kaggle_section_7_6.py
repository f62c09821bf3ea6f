"""The real section in three sessions on the loopback Kaggle gives the same policy as the same chain run locally."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.core.ledger.events import EventKind
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables, point_at_loopback
from tests.doubles.real_section import make_real_project
from tests.doubles.session_walls import put_wall
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
STEPS, LOOKS_PER_SESSION = 2000, 75
RUN = ("run", "section_7_6", "--quick", "--json")


def make_project(root: Path) -> Path:
    """The real section; a session leaves after a fixed number of looks, not by the clock."""
    make_real_project(root)
    put_wall(root / "validation_ch7/section_7_6_rl_performance/entry.py", LOOKS_PER_SESSION)
    return root


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def policies(root: Path) -> list[tuple[int, str]]:
    survey = survey_checkpoints(root / MODELS, "traffic_light_control")
    return [(card.steps, str(card.identity["policy_digest"])) for card in survey.verified]


def turnarounds_s(root: Path) -> list[float]:
    """Seconds from the end of a session to the submit of the next."""
    ledger = SqliteLedger(root / ".orchestrator/ledger.sqlite")
    wanted = (EventKind.SESSION_ENDED, EventKind.SESSION_SUBMITTED)
    times = [(event.kind, datetime.fromisoformat(event.at)) for event in ledger.events() if event.kind in wanted]
    ledger.close()
    pairs = itertools.pairwise(times)
    return [(b - a).total_seconds() for (kind, a), (_, b) in pairs if kind is EventKind.SESSION_ENDED]


@pytest.mark.prove
def test_kaggle_chain_ends_with_the_same_policies_as_the_local_chain(kaggle: LoopbackKaggle, tmp_path: Path) -> None:
    kaggle_root, local_root = (
        make_project(tmp_path / "kaggle_project"),
        make_project(tmp_path / "local_project"),
    )
    remote = orchestrate(kaggle_root, *RUN, "--target-steps", str(STEPS), "--backend", "kaggle", **loopback_variables())
    local = orchestrate(local_root, *RUN, "--target-steps", str(STEPS))
    for answer in (remote, local):
        assert answer.json["steps_done"] == STEPS, answer.err
        assert answer.json["sessions"] >= 3
    assert remote.json["resume_grade"] == local.json["resume_grade"] == "exact"
    assert policies(kaggle_root) == policies(local_root)

    sessions = remote.json["sessions"]
    counts = kaggle.journal.counts
    assert counts["SaveKernel"] == kaggle.kernels.runs == sessions
    assert counts["StartBlobUpload"] == 0
    sources = [entry.request.get("kernelDataSources", []) for entry in kaggle.journal.of("SaveKernel")]
    slugs = [entry.request["slug"] for entry in kaggle.journal.of("SaveKernel")]
    # Inlined while the replay buffer is small, then mounted from the previous session; never uploaded.
    assert all(source in ([], [before]) for source, before in zip(sources[1:], slugs, strict=False))
    assert sources[-1] == [slugs[-2]]
    pushes = [entry.bytes_in for entry in kaggle.journal.of("SaveKernel")]
    print(f"sessions {sessions}, calls per session {sum(counts.values()) / sessions:.1f} {dict(counts)}")
    print(f"bytes of each push {pushes}, turnaround {[round(s, 1) for s in turnarounds_s(kaggle_root)]} s")
