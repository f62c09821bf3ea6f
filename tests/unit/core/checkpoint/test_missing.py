"""Checkpoints by the ledger: the current chain, the expected steps, and the sessions that may hold them."""

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
    values: dict[str, Any] = {"steps_start": 0, "steps_done": 0, "campaign": "smoke", **fields}
    return RunRecord(
        run_id=f"run{number}",
        section="section_7_6",
        lineage_id="c" * 64,
        profile="quick",
        backend="local",
        target_steps=100,
        started_at="",
        **values,
    )


def session(number: int, given: int = 0, in_place: int | None = None, of_run: int = 1, **fields: Any) -> SessionRecord:
    """The session `number`, started from `given` steps; closed with `in_place` steps, or in flight."""
    path = f"{CHECKPOINTS}/{checkpoint_stem(SCENARIO, given)}.zip"
    inputs = [{"path": path, "sha256": "0" * 64, "size_bytes": 1}] if given else []
    closed = {"stage": Stage.CLOSED, "models_steps": in_place, "steps_done": in_place}
    values: dict[str, Any] = {"stage": Stage.SUBMITTED, **(closed if in_place is not None else {}), **fields}
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
        **values,
    )


LOST = {"end_reason": EndReason.NEVER_SUBMITTED.value}


@pytest.mark.parametrize(
    ("runs", "sessions", "expected"),
    [
        ([], [], 0),
        ([run(1)], [session(1)], 0),  # the first session is in flight
        ([run(1)], [session(1, 0, 0)], 0),  # it saved no checkpoint
        ([run(1)], [session(1, 0, 10), session(2, 10, 20)], 20),
        ([run(1)], [session(1, 0, 10), session(2, 10)], 10),  # the input of a session in flight
        ([run(1)], [session(1, 0, 10), session(2, 10, 10)], 10),
        # The directory was already missing when the session closed; its input existed nevertheless.
        ([run(1)], [session(1, 0, 10), session(2, 10, 0)], 10),
        ([run(1)], [session(1, 0, 40), session(2, 30, 30)], 30),  # walked back from a bad checkpoint
        ([run(1)], [session(1, 0, 10), session(2, 10, 0, **LOST)], 10),  # a push that never happened is ignored
        ([run(1)], [session(1, 0, None, stage=Stage.CLOSED, steps_done=30)], 30),  # a ledger of an earlier version
        ([run(1), run(2, fresh=True)], [session(1, 0, 40)], 0),
        ([run(1), run(2, fresh=True)], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        ([run(1), run(2, fresh=True), run(3)], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        # `run` found an empty directory and was killed before its first session.
        ([run(1), run(2, campaign="")], [session(1, 0, 40)], 0),
        ([run(1), run(2, campaign=""), run(3)], [session(1, 0, 40)], 0),
        ([run(1), run(2, campaign="")], [session(1, 0, 40), session(2, 0, 10, of_run=2)], 10),
        ([run(1), run(2, campaign="")], [session(1, 0, 40), session(2, of_run=2)], 0),
        # A campaign's run or a recovered one is no sign that the user emptied the directory.
        ([run(1), run(2)], [session(1, 0, 40)], 40),
        ([run(1), run(2, campaign=None)], [session(1, 0, 40)], 40),
        ([run(1), run(2, campaign="", steps_start=40)], [session(1, 0, 40)], 40),
        # Recovered out of order: the first session is open again and does not change what the later ones show.
        ([run(1)], [session(2, 10, 20), session(1, 0, recovered=True)], 20),
    ],
)
def test_the_expected_steps_follow_from_runs_and_sessions(
    runs: list[RunRecord], sessions: list[SessionRecord], expected: int
) -> None:
    assert expected_steps(current_chain(runs, sessions)) == expected


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([session(1, 0, 10), session(2, 10, 20), session(3, 20)], [(2, 20), (1, 10)]),
        # Two sessions failed from 40 and the next started from 30: the checkpoint of 40 is never used again.
        ([session(1, 0, 40), session(2, 40, 40), session(3, 30)], [(2, 30), (1, 30)]),
        ([session(1, 0, 40), session(2, 0, 10), session(3, 10)], [(2, 10)]),  # session 1 belongs to an earlier training
        ([session(1, 0, 10, recovered=True), session(2, 0, 40, recovered=True)], [(2, 40), (1, 10)]),
        # The user put other checkpoints in place while it ran: its own were not restored.
        ([session(1, 0, 10), session(2, 10, 5, steps_done=40)], [(2, 5), (1, 10)]),
        ([session(1, 0, 10), session(2, 10, 0, **LOST)], [(1, 10)]),
    ],
)
def test_which_sessions_may_hold_missing_checkpoints(
    sessions: list[SessionRecord], expected: list[tuple[int, int]]
) -> None:
    found = [(one.record.session, one.most_steps) for one in sources(current_chain([run(1)], sessions))]
    assert found == expected


@given(st.lists(st.integers(0, 5), max_size=8))
def test_sources_offer_at_most_the_steps_from_which_the_next_session_started(gains: list[int]) -> None:
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
        (0, True, 30, False, True),  # for `run`, an existing empty directory is a fresh start
        (0, False, 30, True, True),
        (20, True, 30, False, True),
        (30, True, 30, False, False),
        (40, True, 30, False, False),  # the ledger is older than the checkpoints
    ],
)
def test_when_checkpoints_are_missing(
    in_place: int, exists: bool, expected: int, missing_for_run: bool, missing_for_tick: bool
) -> None:
    inventory = view(in_place, exists=exists)
    assert is_missing(inventory, expected, stays=True) is missing_for_run
    assert is_missing(inventory, expected, stays=False) is missing_for_tick


def test_abandoned_checkpoints_are_left_out_with_their_metadata() -> None:
    names = [
        f"{CHECKPOINTS}/{checkpoint_stem(SCENARIO, steps)}{end}" for steps in (30, 40) for end in (".zip", ".json")
    ]
    names += [BEST_MODEL.as_posix(), METADATA_NAME, f"{SCENARIO}_final.zip"]
    entries = tuple(FileEntry(path=name, size_bytes=1, sha256="0" * 64) for name in names)
    fetched = FetchedCheckpoints(root=Path("there"), verified=(card(40), card(30)), entries=entries)
    assert at_most(fetched, None) == at_most(fetched, 40) == fetched
    cut = at_most(fetched, 35)
    assert cut.steps == 30 and [one.path for one in cut.entries] == [*names[:2], BEST_MODEL.as_posix()]
    nothing = at_most(fetched, 5)
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


@pytest.mark.parametrize("to_steps", [20, 0])
def test_a_step_back_by_the_user_counts_until_the_next_session(to_steps: int) -> None:
    """The newest session did not start from the checkpoint that was left: it made it."""
    first = session(1, 0, 40)
    runs = [run(1, steps_done=to_steps, walks=((40, first.key),))]
    chain = current_chain(runs, [first])
    assert walked_to(runs, chain) == to_steps
    assert expected_steps(chain, to_steps) == to_steps
    assert walked_to(runs, current_chain(runs, [first, session(2, 20, 40)])) is None
