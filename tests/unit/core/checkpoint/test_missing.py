"""What the ledger knows of checkpoints: the current chain, what must be in place, and which sessions may hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.missing import at_most, current_chain, expected_steps, is_missing, sources, walked_to
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import BEST_MODEL, CHECKPOINTS, METADATA_NAME, FileEntry, checkpoint_stem

SCENARIO = "traffic_light_control"


def run(number: int, **fields: Any) -> RunRecord:
    plain: dict[str, Any] = {"steps_start": 0, "steps_done": 0, "campaign": "smoke", **fields}
    return RunRecord(
        run_id=f"run{number}",
        section="section_7_6",
        lineage_id="c" * 64,
        profile="quick",
        backend="local",
        target_steps=100,
        started_at="",
        **plain,
    )


def session(number: int, given: int = 0, in_place: int | None = None, of_run: int = 1, **fields: Any) -> SessionRecord:
    """Session of a number, started from `given` steps; closed with `in_place` steps, or in flight."""
    path = f"{CHECKPOINTS}/{checkpoint_stem(SCENARIO, given)}.zip"
    inputs = [{"path": path, "sha256": "0" * 64, "size_bytes": 1}] if given else []
    closed = {"stage": Stage.CLOSED, "models_steps": in_place, "steps_done": in_place}
    plain: dict[str, Any] = {"stage": Stage.SUBMITTED, **(closed if in_place is not None else {}), **fields}
    return SessionRecord(
        key=f"run{of_run}/s{number:02d}a1",
        run_id=f"run{of_run}",
        lineage_id="c" * 64,
        session=number,
        attempt=1,
        slug=f"s{number:02d}",
        backend="local",
        nonce=str(number),
        ticket={"inputs": inputs},
        planned_at="",
        handle=f"local://local/s{number:02d}",
        **plain,
    )


LOST = {"end_reason": EndReason.NEVER_SUBMITTED.value}


@pytest.mark.parametrize(
    ("runs", "sessions", "expected"),
    [
        ([], [], 0),
        ([run(1)], [session(1)], 0),  # the first one flies
        ([run(1)], [session(1, 0, 0)], 0),  # it brought nothing
        ([run(1)], [session(1, 0, 10), session(2, 10, 20)], 20),
        ([run(1)], [session(1, 0, 10), session(2, 10)], 10),  # what a session in flight was given
        ([run(1)], [session(1, 0, 10), session(2, 10, 10)], 10),
        # Closed beside a directory that was missing already: what it was given existed all the same.
        ([run(1)], [session(1, 0, 10), session(2, 10, 0)], 10),
        ([run(1)], [session(1, 0, 40), session(2, 30, 30)], 30),  # walked back from a bad checkpoint
        ([run(1)], [session(1, 0, 10), session(2, 10, 0, **LOST)], 10),  # a push that never came to be says nothing
        ([run(1)], [session(1, 0, None, stage=Stage.CLOSED, steps_done=30)], 30),  # an old ledger
        ([run(1), run(2, fresh=True)], [session(1, 0, 40)], 0),
        ([run(1), run(2, fresh=True)], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        ([run(1), run(2, fresh=True), run(3)], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        # `run` found an empty directory, and died before its first session.
        ([run(1), run(2, campaign="")], [session(1, 0, 40)], 0),
        ([run(1), run(2, campaign=""), run(3)], [session(1, 0, 40)], 0),
        ([run(1), run(2, campaign="")], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        ([run(1), run(2, campaign="")], [session(1, 0, 40), session(2, of_run=2)], 0),
        # A campaign's run, or one that was read back, says nothing of what the user wants.
        ([run(1), run(2)], [session(1, 0, 40)], 40),
        ([run(1), run(2, campaign=None)], [session(1, 0, 40)], 40),
        ([run(1), run(2, campaign="", steps_start=40)], [session(1, 0, 40)], 40),
        # Read back out of order: the first one is in flight again and says nothing of the later ones.
        ([run(1)], [session(2, 10, 20), session(1, 0, recovered=True)], 20),
    ],
)
def test_what_must_be_in_place(runs: list[RunRecord], sessions: list[SessionRecord], expected: int) -> None:
    assert expected_steps(current_chain(runs, sessions)) == expected


@pytest.mark.parametrize(
    ("sessions", "looked_at"),
    [
        ([session(1, 0, 10), session(2, 10, 20), session(3, 20)], [(2, 20), (1, 10)]),
        # Two sessions failed from 40 and the next started from 30: the 40 is never taken up again.
        ([session(1, 0, 40), session(2, 40, 40), session(3, 30)], [(2, 30), (1, 30)]),
        ([session(1, 0, 40), session(2, 0, 10), session(3, 10)], [(2, 10)]),  # an earlier training
        ([session(1, 0, 10, recovered=True), session(2, 0, 40, recovered=True)], [(2, 40), (1, 10)]),
        # The user put other checkpoints in place while it ran: its own were not restored.
        ([session(1, 0, 10), session(2, 10, 5, steps_done=40)], [(2, 5), (1, 10)]),
        ([session(1, 0, 10), session(2, 10, 0, **LOST)], [(1, 10)]),
    ],
)
def test_which_sessions_may_hold_missing_checkpoints(
    sessions: list[SessionRecord], looked_at: list[tuple[int, int]]
) -> None:
    found = [(one.record.session, one.most_steps) for one in sources(current_chain([run(1)], sessions))]
    assert found == looked_at


@given(st.lists(st.integers(0, 5), max_size=8))
def test_no_source_offers_what_a_later_session_did_not_start_from(gains: list[int]) -> None:
    steps, records = 0, []
    for number, gain in enumerate(gains, start=1):
        records.append(session(number, steps, steps + gain))
        steps += gain
    chain = current_chain([run(1)], records)
    assert expected_steps(chain) == steps
    bounds = [one.most_steps for one in sources(chain) if one.most_steps is not None]
    assert bounds == sorted(bounds, reverse=True) and all(bound <= steps for bound in bounds)


def view(steps: int, *, exists: bool = True) -> CheckpointInventory:
    cards = (card(steps),) if steps else ()
    return CheckpointInventory(root=Path("models"), verified=cards, faults={}, leftovers=(), entries=(), exists=exists)


def card(steps: int) -> CheckpointCard:
    stem = checkpoint_stem(SCENARIO, steps)
    return CheckpointCard(stem=stem, scenario=SCENARIO, steps=steps, files=(), identity={}, stamp={}, saved_at="")


@pytest.mark.parametrize(
    ("in_place", "exists", "expected", "missing_for_run", "missing_for_tick"),
    [
        (0, True, 0, False, False),
        (0, False, 0, False, False),
        (0, True, 30, False, True),  # `run` reads a directory that is there and empty as a fresh start
        (0, False, 30, True, True),
        (20, True, 30, False, True),
        (30, True, 30, False, False),
        (40, True, 30, False, False),  # the ledger is the older of the two
    ],
)
def test_when_checkpoints_are_missing(
    in_place: int, exists: bool, expected: int, missing_for_run: bool, missing_for_tick: bool
) -> None:
    seen = view(in_place, exists=exists)
    assert is_missing(seen, expected, stays=True) is missing_for_run
    assert is_missing(seen, expected, stays=False) is missing_for_tick


def test_abandoned_checkpoints_are_left_out_with_their_metadata() -> None:
    names = [
        f"{CHECKPOINTS}/{checkpoint_stem(SCENARIO, steps)}{end}" for steps in (30, 40) for end in (".zip", ".json")
    ]
    names += [BEST_MODEL.as_posix(), METADATA_NAME, f"{SCENARIO}_final.zip"]
    entries = tuple(FileEntry(path=name, size_bytes=1, sha256="0" * 64) for name in names)
    brought = FetchedCheckpoints(root=Path("there"), verified=(card(40), card(30)), entries=entries)
    assert at_most(brought, None) == at_most(brought, 40) == brought
    cut = at_most(brought, 35)
    assert cut.steps == 30 and [one.path for one in cut.entries] == [*names[:2], BEST_MODEL.as_posix()]
    nothing = at_most(brought, 5)
    assert nothing.verified == nothing.entries == ()


def test_a_checkpoint_abandoned_by_a_walk_back_is_not_missing() -> None:
    walked = [run(1, walks=((40, "run1/s03a1"),), steps_done=20)]
    failed = [session(1, 0, 20), session(2, 20, 40), session(3, 40, 40), session(4, 40, 40)]
    chain = current_chain(walked, failed)
    assert walked_to(walked, chain) == 20
    assert expected_steps(chain, 20) == 20
    assert {one.most_steps for one in sources(chain, 20)} == {20}
    assert expected_steps(chain) == 40, "without the walk back the newer one would be put back"


@pytest.mark.parametrize(("given", "in_place"), [(20, 30), (20, None), (40, 60)])
def test_after_a_session_from_the_parent_the_walk_back_sets_no_limit(given: int, in_place: int | None) -> None:
    walked = [run(1, walks=((40, "run1/s02a1"),), steps_done=20)]
    chain = current_chain(walked, [session(1, 0, 40), session(2, 40, 40), session(3, given, in_place)])
    assert walked_to(walked, chain) is None


def test_without_a_walk_back_there_is_no_limit() -> None:
    assert walked_to([run(1)], current_chain([run(1)], [session(1, 0, 20)])) is None
