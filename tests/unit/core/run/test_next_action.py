"""Every case of `next_action` is a row: snapshot, request and the expected action."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.checkpoint.compatibility import Intended
from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.checkpoint.walk_back import Suspicion, WalkBack
from orchestrator.core.errors import BadInput, CheckpointsMissing
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.actions import Action, Adopt, Collect, Finish, Missing, Refuse, Start, Wait
from orchestrator.core.run.next_action import next_action, when_idle
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState, Sight, Snapshot
from orchestrator.core.run.summary import DETACHED, ITS_TURN
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Bundle, Handle, Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import Judgement
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import CHECKPOINTS, FileEntry, checkpoint_stem, digest_of
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT

ROOT = Path("validation_ch7/s/data/models")
CODE = "d" * 64
ENDED = Observation(state=SessionState.ENDED, native="COMPLETE", exit_code=0)
HANDLE = Handle(backend="kaggle", owner="o", slug="arz-validation-section-7-6-x-s01")


@cache
def card() -> SectionCard:
    return load_card(PROJECT_ROOT / "configs/sections", "section_7_6")


def request(**traits: Any) -> RunRequest:
    return RunRequest(card=card(), profile="quick", **traits)


TARGET = request().sizes(0).target_steps


def intended(code: str = CODE) -> Intended:
    return Intended(lineage=card().lineage, code_digest=code, versions={"torch": "2"}, device_class="cpu")


def checkpoint(steps: int, *, code: str = CODE) -> CheckpointCard:
    stem = checkpoint_stem(card().scenario, steps)
    files = tuple(
        FileEntry(path=f"{stem}{suffix}", size_bytes=1, sha256=f"{steps:064x}") for suffix in (".zip", ".state.npz")
    )
    return CheckpointCard(
        stem=stem,
        scenario=card().scenario,
        steps=steps,
        files=files,
        identity=intended(code).identity() | {"spaces": {}},
        stamp={"session": 1, "lineage_id": card().lineage.id},
        saved_at="2026-01-01T00:00:00+00:00",
    )


def in_place(*steps: int, code: str = CODE, **traits: Any) -> CheckpointInventory:
    cards = tuple(checkpoint(one, code=code) for one in sorted(steps, reverse=True))
    entries = tuple(replace(file, path=f"{CHECKPOINTS}/{file.path}") for one in cards for file in one.files)
    return CheckpointInventory(root=ROOT, verified=cards, faults={}, leftovers=(), entries=entries, **traits)


def run(run_id: str = "r", **traits: Any) -> RunRecord:
    return RunRecord(
        **{
            "run_id": run_id,
            "section": "section_7_6",
            "lineage_id": card().lineage.id,
            "profile": "quick",
            "backend": "kaggle",
            "target_steps": TARGET,
            "steps_start": 0,
            "steps_done": 0,
            "started_at": "2026-01-01T00:00:00+00:00",
            **traits,
        }
    )


def session(number: int = 1, stage: Stage = Stage.CLOSED, **traits: Any) -> SessionRecord:
    inputs = [
        {
            "path": f"{CHECKPOINTS}/{checkpoint_stem(card().scenario, steps)}.zip",
            "size_bytes": 1,
            "sha256": f"{steps:064x}",
        }
        for steps in traits.pop("given", ())
    ]
    spec: dict[str, Any] = {"target_steps": TARGET, "deadline_s": 600.0}
    ticket = {
        "run_id": "r",
        "session": number,
        "attempt": 1,
        "nonce": "n",
        "section": "section_7_6",
        "section_dir": "s",
        "lineage_id": card().lineage.id,
        "spec": spec,
        "spec_digest": digest_of(spec),
        "bundle_digest": CODE,
        "inputs": inputs,
        "wire_version": 1,
    }
    return SessionRecord(
        **{
            "key": f"r/s{number:02d}a1",
            "run_id": "r",
            "lineage_id": card().lineage.id,
            "session": number,
            "attempt": 1,
            "slug": f"slug-{number}",
            "backend": "kaggle",
            "nonce": "n",
            "ticket": ticket,
            "stage": stage,
            "planned_at": "2026-01-01T00:00:00+00:00",
            "handle": str(HANDLE),
            **traits,
        }
    )


def snapshot(inventory: CheckpointInventory | None = None, **traits: Any) -> Snapshot:
    return Snapshot(
        **{
            "backend": "kaggle",
            "waits": True,
            "inventory": inventory if inventory is not None else in_place(),
            "new_run_id": "new",
            "bundle": Bundle(digest=CODE, archive=b"", archive_sha256="", names=()),
            "intended": intended(),
            **traits,
        }
    )


IN_FLIGHT = {"runs": (run(),), "sessions": (session(stage=Stage.SUBMITTED),)}
PLANNED = {"runs": (run(),), "sessions": (session(stage=Stage.PLANNED, handle=None),)}
TRAINED = {"runs": (run(ended_at="x", steps_done=30),), "sessions": (session(models_steps=30, steps_done=30),)}


@pytest.mark.parametrize(
    ("state", "asked_request", "expected"),
    [
        (snapshot(), request(), Start),
        (snapshot(in_place(30)), request(), Start),
        (snapshot(in_place(30)), request(starts=False), Finish),
        (snapshot(remembers=True), request(), Adopt),
        (snapshot(remembers=True, done=CommandState(asked=True)), request(), Start),
        (snapshot(**IN_FLIGHT), request(), Wait),
        (snapshot(**IN_FLIGHT, sight=Sight(handle=HANDLE, state="RUNNING")), request(), Wait),
        (snapshot(**IN_FLIGHT, sight=Sight(handle=HANDLE, end=ENDED)), request(), Collect),
        (snapshot(**IN_FLIGHT, sight=Sight(handle=HANDLE)), request(fresh=True), Collect),
        (snapshot(**IN_FLIGHT), request(detach=True), Finish),
        (snapshot(**IN_FLIGHT), request(detach=True, fresh=True), Refuse),
        (snapshot(**PLANNED, sight=Sight(lost=True)), request(), Collect),
        (snapshot(**PLANNED, sight=Sight()), request(detach=True), Wait),
        (snapshot(**PLANNED, sight=Sight(state="may take up to 90 s")), request(), Wait),
        (snapshot(**IN_FLIGHT, backend="local"), request(), Refuse),
        (snapshot(**IN_FLIGHT, backend="local"), request(fresh=True), Refuse),
        (snapshot(**IN_FLIGHT, backend="local"), request(detach=True), Refuse),
        (snapshot(**PLANNED, backend="local", waits=False, done=CommandState(asked=True)), request(), Wait),
        (snapshot(in_place(), **PLANNED, backend="local", waits=False), request(starts=False), Finish),
        (snapshot(in_place(exists=False), **TRAINED), request(), Adopt),
        (snapshot(in_place(exists=False), **TRAINED, done=CommandState(searched=True)), request(), Refuse),
        (snapshot(in_place(), **TRAINED), request(), Start),
        (snapshot(in_place(), **TRAINED, waits=False), request(), Adopt),
        (snapshot(in_place(), waits=False), request(), Adopt),
        (snapshot(in_place(), waits=False, done=CommandState(asked=True)), request(), Start),
        (snapshot(in_place(30), waits=False), request(), Adopt),
        (snapshot(in_place(30), waits=False), request(starts=False), Finish),
        (snapshot(in_place(TARGET)), request(), Start),
        (snapshot(in_place(TARGET), evaluation=session(verdict="supported")), request(), Finish),
        (snapshot(in_place(TARGET), evaluation=session(verdict="supported")), request(add_steps=1), Start),
        (snapshot(in_place(30)), request(target_steps=1), Refuse),
        (snapshot(in_place(30), **IN_FLIGHT), request(target_steps=1), Refuse),
        (snapshot(replace(in_place(), faults={"x_1_steps": "damaged"})), request(), Refuse),
        (snapshot(replace(in_place(), faults={"x_1_steps": "damaged"})), request(fresh=True), Start),
        (snapshot(lost=BadInput("steps were lost")), request(), Refuse),
        (snapshot(lost=BadInput("steps were lost")), request(fresh=True), Start),
        (snapshot(in_place()), request(accept_grade="weights-only"), Refuse),
    ],
)
def test_the_next_action_for_each_snapshot_and_request(
    state: Snapshot, asked_request: RunRequest, expected: type[Action]
) -> None:
    assert isinstance(next_action(state, asked_request), expected)


def test_the_decision_is_repeatable() -> None:
    state, asked_request = snapshot(in_place(30), **TRAINED), request()
    assert next_action(state, asked_request) == next_action(state, asked_request)


def test_a_session_is_never_started_beside_an_open_one() -> None:
    for stage in set(Stage) - {Stage.CLOSED}:
        for asked_request in (request(), request(fresh=True), request(starts=False), request(add_steps=5)):
            state = snapshot(in_place(30), runs=(run(),), sessions=(session(stage=stage),))
            assert not isinstance(next_action(state, asked_request), Start | Finish)


def test_missing_checkpoints_are_searched_for_once_and_then_refused() -> None:
    state = snapshot(in_place(exists=False), **TRAINED)
    assert next_action(state, request()) == Adopt(what=Missing.CHECKPOINTS)
    refused = next_action(replace(state, done=CommandState(searched=True)), request())
    assert isinstance(refused, Refuse) and isinstance(refused.fault, CheckpointsMissing)
    assert "30 steps" in str(refused.fault)


def test_only_a_tick_searches_for_results_newer_than_the_ledger() -> None:
    slug = f"arz-validation-section-7-6-{card().lineage.id[:8]}-s04"
    state = snapshot(in_place(30), **TRAINED, result_slugs=(slug,))
    assert isinstance(next_action(state, request()), Start)
    assert next_action(replace(state, waits=False), request()) == Adopt(what=Missing.CHECKPOINTS)
    assert isinstance(next_action(replace(state, waits=False), request(starts=False)), Finish)


def test_a_tick_asks_for_unknown_sessions_before_it_starts_one() -> None:
    state = snapshot(in_place(30), waits=False)
    assert next_action(state, request()) == Adopt(what=Missing.SESSIONS)
    started = next_action(replace(state, done=CommandState(asked=True)), request())
    assert isinstance(started, Start) and started.place.session == 2


def test_a_session_gets_a_number_that_no_session_had() -> None:
    slug = f"arz-validation-section-7-6-{card().lineage.id[:8]}-s07-a2"
    start = next_action(snapshot(in_place(30), **TRAINED, result_slugs=(slug, "other")), request())
    assert isinstance(start, Start) and (start.place.session, start.place.attempt) == (8, 1)


def test_starting_over_collects_the_session_in_flight_without_keeping_it() -> None:
    state = snapshot(in_place(30), **IN_FLIGHT, sight=Sight(handle=HANDLE))
    collect = next_action(state, request(fresh=True))
    assert isinstance(collect, Collect) and not collect.keep
    start = next_action(snapshot(in_place(30), runs=(run(ended_at="x"),)), request(fresh=True))
    assert isinstance(start, Start) and start.mode is StartMode.ARCHIVE_FRESH and not start.inventory.entries
    assert start.comparison is None and start.run.steps_start == 0


def test_a_run_refuses_a_request_before_it_collects_the_session_in_flight() -> None:
    state = snapshot(in_place(30), **IN_FLIGHT, sight=Sight(handle=HANDLE))
    assert isinstance(next_action(state, request(target_steps=1)), Refuse)
    ended = replace(state, waits=False, sight=Sight(handle=HANDLE, end=ENDED))
    assert isinstance(next_action(ended, request(target_steps=1)), Collect)


def test_other_code_continues_with_a_grade_and_other_settings_are_refused() -> None:
    start = next_action(snapshot(in_place(30, code="e" * 64)), request())
    assert isinstance(start, Start) and start.comparison is not None
    assert start.comparison.grade.word == "statistical"
    other = replace(intended(), lineage=replace(card().lineage, algorithm="SAC"))
    refused = next_action(snapshot(in_place(30), intended=other), request())
    assert isinstance(refused, Refuse) and refused.lines[0].startswith("[CHECKPOINT]")
    assert "cannot be continued" in str(refused.fault)


def test_a_raised_target_of_a_schedule_over_the_whole_training_is_graded_before_a_push() -> None:
    settings = {"algorithms.DQN.learning_rate": "lin_1e-3", "algorithm": "DQN"}
    spans = load_card(PROJECT_ROOT / "configs/sections", "section_7_6", settings)
    now = replace(intended(), lineage=spans.lineage)
    before = replace(checkpoint(30), identity=replace(now, horizon_steps=60).identity() | {"spaces": {}})
    state = snapshot(replace(in_place(30), verified=(before,)), intended=now)
    start = next_action(state, replace(request(target_steps=90), card=spans))
    assert isinstance(start, Start) and start.comparison is not None
    assert [str(one) for one in start.comparison.reasons] == [
        "Target of a schedule over the whole training: checkpoint=60, current=90"
    ]
    assert start.comparison.grade.word == "statistical"
    refused = next_action(state, replace(request(target_steps=90), card=replace(spans, resume_floor="exact")))
    assert isinstance(refused, Refuse) and "checkpoint=60, current=90" in str(refused.fault)


@pytest.mark.parametrize(
    ("end", "steps", "expected"),
    [
        (EndReason.FINISHED, TARGET, Finish),
        (EndReason.PAUSED, 40, Start),
        (EndReason.CRASHED, 40, Start),
        (EndReason.CRASHED, 30, Start),
        (EndReason.SECTION_FAILED, 40, Finish),
        (EndReason.STOPPED, 40, Finish),
        (EndReason.DISK_FULL, 40, Finish),
        (EndReason.PAUSED, 0, Finish),
    ],
)
def test_the_next_action_after_a_session(end: EndReason, steps: int, expected: type[Action]) -> None:
    first = next_action(snapshot(in_place(30)), request())
    assert isinstance(first, Start)
    closed = ClosedSession(
        judgement=Judgement(end_reason=end, exit_code=0),
        results_dir=Path("out"),
        restored=(),
        inventory=in_place(steps) if steps else in_place(),
    )
    progress = replace(first.run, last=first.place, started=True).after(closed)
    state = snapshot(closed.inventory, done=CommandState(run=progress, asked=True))
    action = next_action(state, request())
    assert isinstance(action, expected)
    if isinstance(action, Finish):
        assert action.end == ("emptied" if steps == 0 else end.value)


def test_no_progress_leads_to_an_attempt_and_progress_to_a_session() -> None:
    first = next_action(snapshot(in_place(30)), request())
    assert isinstance(first, Start)
    for steps, attempt in ((30, 2), (40, 1)):
        closed = ClosedSession(
            judgement=Judgement(end_reason=EndReason.CRASHED, exit_code=1),
            results_dir=Path("out"),
            restored=(),
            inventory=in_place(steps),
        )
        progress = replace(first.run, last=first.place).after(closed)
        sessions = (session(first.place.session),)
        state = snapshot(closed.inventory, sessions=sessions, done=CommandState(run=progress))
        action = next_action(state, request())
        assert isinstance(action, Start) and action.place.attempt == attempt


def test_a_directory_emptied_while_a_run_waits_is_not_trained_again_from_step_0() -> None:
    first = next_action(snapshot(in_place(30)), request())
    assert isinstance(first, Start)
    action = next_action(snapshot(in_place(), done=CommandState(run=first.run, asked=True)), request())
    assert isinstance(action, Finish) and action.end == "emptied"


def test_late_outputs_are_fetched_once_more_before_the_next_session() -> None:
    closed = session(end_reason="crashed", models_steps=30)
    state = snapshot(in_place(30), runs=(run(steps_done=30),), sessions=(closed,), late_outputs=True)
    action = next_action(state, request())
    assert isinstance(action, Collect) and action.record == closed and action.run is not None
    done = CommandState(run=action.run, looked_at=frozenset({closed.key}))
    assert isinstance(next_action(replace(state, done=done), request()), Start)
    assert isinstance(next_action(state, request(starts=False)), Finish)


def test_a_command_that_starts_no_session_finishes_with_the_reason() -> None:
    action = next_action(snapshot(in_place(30), waits=False), request(starts=False))
    assert isinstance(action, Finish) and action.end == ITS_TURN
    action = next_action(snapshot(**IN_FLIGHT), request(detach=True))
    assert isinstance(action, Finish) and action.end == DETACHED and action.in_flight is not None


def test_a_plan_names_the_next_session_even_at_the_target() -> None:
    state = snapshot(in_place(TARGET), evaluation=session(verdict="supported"))
    assert isinstance(next_action(state, request()), Finish)
    assert isinstance(when_idle(state, request(), despite_end=True), Start)


def test_fresh_start_ignores_late_outputs_of_the_training_that_is_left() -> None:
    closed = session(end_reason="crashed", models_steps=30)
    for inventory in (in_place(30), in_place()):
        seen = snapshot(inventory, runs=(run(ended_at="x"),), sessions=(closed,), late_outputs=True)
        action = next_action(seen, request(fresh=True))
        assert isinstance(action, Start) and action.run.steps_start == 0


def test_session_that_has_ended_is_collected_whatever_target_is_asked() -> None:
    adopted = ClosedSession(
        judgement=Judgement(end_reason=EndReason.PAUSED, exit_code=0),
        results_dir=Path("out"),
        restored=(),
        inventory=in_place(30),
    )
    ended = Sight(handle=HANDLE, end=ENDED)
    seen = snapshot(in_place(30), **IN_FLIGHT, sight=ended, done=CommandState(adopted=adopted))
    assert isinstance(next_action(seen, request(target_steps=1)), Collect)
    assert isinstance(next_action(replace(seen, done=CommandState()), request(target_steps=1)), Collect)


def test_walk_back_comes_before_the_next_session_and_ends_a_run_without_a_parent() -> None:
    inventory = in_place(20, 30)
    newest, parent = inventory.verified
    why = Suspicion(failed=(session(end_reason="checkpoint_unusable"),), proven=True)
    kept = FetchedCheckpoints(root=ROOT, verified=(parent,), entries=())
    back = next_action(snapshot(inventory, walk_back=WalkBack(left=newest, why=why, parent=kept)), request())
    assert isinstance(back, Start) and back.walk_back is not None and back.inventory.verified == (parent,)
    ends = next_action(snapshot(inventory, walk_back=WalkBack(left=newest, why=why, parent=None)), request())
    assert isinstance(ends, Finish) and ends.end == "checkpoint_unusable" and ends.problems
    fresh = next_action(snapshot(inventory, walk_back=WalkBack(left=newest, why=why, parent=kept)), request(fresh=True))
    assert isinstance(fresh, Start) and fresh.walk_back is None
