"""A push is sent exactly once, whatever answers are lost: each branch with a backend in memory and a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput, NotYet, OutcomeUnknown, RemoteUnavailable
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Push
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.submit import (
    checkpoint_set,
    confirm_submission,
    confirmed,
    plan_session,
    retry_until_accepted,
    send,
    session_spec,
    submit_session,
    wait_out,
)
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener
from tests.unit.kernel.makers import PLANNED, make_ticket

HANDLE = Handle(backend="far", owner="ana", slug="x-s01")
VISIBLE_S = 20.0
Answer = Handle | Exception | None


class Far:
    """A backend that gives these answers, in order; the last one for ever.

    Attributes:
        asked: What was asked for, in order.
    """

    name = "far"

    def __init__(self, submits: Sequence[Answer] = (HANDLE,), finds: Sequence[Answer] = (None,)) -> None:
        self.asked: list[str] = []
        self._answers = {"submit": list(submits), "find": list(finds)}
        self.stages: list[Exception] = []
        self.renamed: Handle | None = None
        self.left: Quota | None = None
        self.capabilities = SimpleNamespace(visibility_s=VISIBLE_S, max_wall_s=43_200.0, session_device="cpu")

    def stage(self, push: Push) -> None:
        self.asked.append("stage")
        if self.stages:
            raise self.stages.pop(0)

    def submit(self, push: Push) -> Handle:
        return cast(Handle, self._answer("submit"))

    def find(self, ticket: object, slug: str) -> Handle | None:
        return self._answer("find")

    def find_renamed(self, ticket: object) -> Handle | None:
        self.asked.append("find_renamed")
        return self.renamed

    def quota(self) -> Quota | None:
        self.asked.append("quota")
        return self.left

    def _answer(self, what: str) -> Handle | None:
        self.asked.append(what)
        answers = self._answers[what]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Here:
    """A context on a virtual clock, with a real ledger in memory."""

    def __init__(self, far: Far, *, waits: bool = True, hold: Callable[[Push], Handle] | None = None) -> None:
        self.far, self.clock, self.listener = far, FakeClock(), Listener()
        self.ledger = SqliteLedger(Path(":memory:"))
        unused: Any = None
        self.context = RunContext(
            backend=cast(Any, far),
            clock=self.clock,
            ledger=self.ledger,
            models=cast(Any, SimpleNamespace(view=lambda: SimpleNamespace(steps=0))),
            results=unused,
            code=unused,
            narrator=self.listener,
            draw_token=lambda: "0" * 32,
            version="0",
            waits=waits,
            hold=hold,
        )
        self.ledger.record(
            Event(
                kind=EventKind.RUN_STARTED,
                at=self.clock.now().isoformat(),
                run_id="run",
                session=None,
                body={
                    "section": "s",
                    "lineage_id": "c" * 64,
                    "profile": "full",
                    "backend": "far",
                    "steps_start": 0,
                    "steps_done": 0,
                },
            )
        )

    @property
    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.ledger.events()][1:]

    def record(self) -> SessionRecord:
        (found,) = self.ledger.sessions()
        return found


def push() -> Push:
    checkpoints = CheckpointSet(root=Path(), entries=())
    return Push(
        slug="x-s01",
        owner="ana",
        script="",
        ticket=make_ticket(spec=PLANNED),
        carrier=Carrier.NONE,
        checkpoints=checkpoints,
    )


def lost(**more: Any) -> OutcomeUnknown:
    return OutcomeUnknown("the answer was lost", **more)


def test_an_accepted_push_is_planned_sent_once_and_recorded() -> None:
    here = Here(Far())
    assert submit_session(here.context, push(), campaign="mine") == HANDLE
    assert here.far.asked == ["stage", "submit"]
    assert here.kinds == ["session_planned", "session_submitted"]
    record = here.record()
    assert (record.handle, record.campaign, record.nonce) == (str(HANDLE), "mine", "n" * 32)
    assert (record.machine, record.slug, record.backend, record.carrier) == (None, "x-s01", "far", "none")
    assert (record.session, record.attempt, record.lineage_id) == (1, 1, "c" * 64)


def test_the_machine_that_a_push_asks_for_is_recorded() -> None:
    from orchestrator.core.session.machine import Machine

    here = Here(Far())
    submit_session(here.context, replace(push(), machine=Machine(accelerator="T4")))
    assert here.record().machine == Machine(accelerator="T4").to_json()


def test_a_held_push_is_neither_staged_nor_planned() -> None:
    here = Here(Far(), hold=lambda one: replace(HANDLE, slug="pack"))
    assert submit_session(here.context, push()).slug == "pack"
    assert here.far.asked == [] and here.kinds == []


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("fault", [BadInput("no such image"), NotYet("all slots are taken")])
def test_a_clear_refusal_leaves_nothing_to_look_for(fault: Exception, waits: bool) -> None:
    here = Here(Far(submits=[fault, HANDLE]), waits=waits)
    if waits and isinstance(fault, NotYet):
        assert submit_session(here.context, push()) == HANDLE
        assert here.clock.slept_s == 60.0
        return
    with pytest.raises(type(fault)):
        submit_session(here.context, push())
    assert here.kinds == ["session_planned", "session_judged", "session_closed"]
    assert here.record().never_submitted and here.record().problems == (str(fault),)


def test_a_lost_answer_leaves_the_intent_for_the_next_command() -> None:
    here = Here(Far(submits=[lost()]), waits=False)
    with pytest.raises(OutcomeUnknown):
        submit_session(here.context, push())
    assert here.kinds == ["session_planned"] and here.far.asked == ["stage", "submit", "find"]


def test_a_tick_finds_a_session_whose_answer_was_lost() -> None:
    here = Here(Far(submits=[lost()], finds=[HANDLE]), waits=False)
    assert send(here.context, push()) == HANDLE
    assert here.far.asked == ["submit", "find"]


def test_a_push_that_is_certainly_absent_is_sent_again_and_three_times_at_most() -> None:
    here = Here(Far(submits=[lost(), lost(), HANDLE]))
    assert send(here.context, push()) == HANDLE
    assert here.far.asked.count("submit") == 3 and here.clock.slept_s == 2 * VISIBLE_S
    assert here.listener.codes().count("answer_lost") == 2
    never = Here(Far(submits=[lost()]))
    with pytest.raises(OutcomeUnknown, match="the answer was lost"):
        send(never.context, push())
    assert never.far.asked.count("submit") == 3


def test_a_lost_answer_whose_session_appears_is_not_sent_again() -> None:
    here = Here(Far(submits=[lost()], finds=[None, None, HANDLE]))
    assert send(here.context, push()) == HANDLE
    assert here.far.asked.count("submit") == 1 and here.clock.slept_s == 10.0


def test_an_answer_that_named_no_session_is_refused_if_there_is_none() -> None:
    here = Here(Far(submits=[lost(if_absent=BadInput("it named no version"))]))
    with pytest.raises(BadInput, match="named no version"):
        send(here.context, push())
    assert here.far.asked.count("submit") == 1
    found = Here(Far(submits=[lost(if_absent=BadInput("it named no version"))], finds=[HANDLE]))
    assert send(found.context, push()) == HANDLE


def confirm(here: Here, ago_s: float = 0.0) -> Handle | None:
    return confirm_submission(
        here.context, make_ticket(spec=PLANNED), "x-s01", here.clock.now() - timedelta(seconds=ago_s)
    )


def test_absence_is_believed_when_the_window_has_passed_before_the_look() -> None:
    here = Here(Far())
    assert confirm(here) is None
    assert here.clock.slept_s == VISIBLE_S and here.far.asked == [*["find"] * 5, "find_renamed"]
    assert here.listener.codes() == ["looking_for_session"]
    late = Here(Far())
    assert confirm(late, VISIBLE_S) is None and late.far.asked == ["find", "find_renamed"]
    assert late.listener.codes() == []
    almost = Here(Far(), waits=False)
    with pytest.raises(NotYet, match="up to 20 s"):
        confirm(almost, VISIBLE_S - 0.1)
    assert almost.far.asked == ["find"]


def test_a_session_under_another_name_is_found_after_the_window() -> None:
    here = Here(Far())
    here.far.renamed = HANDLE
    assert confirm(here, VISIBLE_S) == HANDLE


def planned(here: Here) -> SessionRecord:
    key = plan_session(here.context, make_ticket(spec=PLANNED), "x-s01", Carrier.NONE)
    record = here.ledger.session(key)
    assert record is not None
    return record


def test_a_recorded_session_needs_no_look() -> None:
    here = Here(Far())
    record = replace(planned(here), handle=str(HANDLE))
    assert confirmed(here.context, record) is record and here.far.asked == []


def test_a_planned_session_that_exists_gets_its_handle() -> None:
    here = Here(Far(finds=[HANDLE]))
    found = confirmed(here.context, planned(here))
    assert found is not None and (found.handle, found.stage) == (str(HANDLE), Stage.SUBMITTED)


def test_a_tick_counts_the_window_from_the_first_look_in_vain() -> None:
    here = Here(Far(), waits=False)
    planned(here)
    here.clock.sleep(3600.0)
    with pytest.raises(NotYet):
        confirmed(here.context, here.record())
    assert here.record().missed_at == here.clock.now().isoformat()
    here.clock.sleep(VISIBLE_S - 1.0)
    with pytest.raises(NotYet):
        confirmed(here.context, here.record())
    here.clock.sleep(1.0)
    assert confirmed(here.context, here.record()) is None


def test_a_command_that_waits_counts_the_window_anew() -> None:
    here = Here(Far())
    record = replace(planned(here), missed_at="2020-01-01T00:00:00+00:00")
    assert confirmed(here.context, record) is None
    assert here.clock.slept_s == VISIBLE_S


def test_an_act_is_repeated_only_by_a_command_that_waits() -> None:
    far = Far()
    far.stages = [NotYet("a dataset is being processed", wait_s=15.0), NotYet("a dataset is being processed")]
    here = Here(far)
    retry_until_accepted(here.context, lambda: far.stage(push()))
    assert here.clock.slept_s == 15.0 + 60.0 and here.listener.codes() == ["waiting"]
    far.stages = [NotYet("full")]
    with pytest.raises(NotYet):
        retry_until_accepted(Here(far, waits=False).context, lambda: far.stage(push()))


@pytest.mark.parametrize(
    ("wait_s", "slept_s", "line"),
    [
        (None, 60.0, "Waiting: full"),
        (0.0, 60.0, "Waiting: full"),
        (120.0, 120.0, "Waiting: full"),
        (121.0, 121.0, "Waiting: full; trying again in 2 min"),
        (900.0, 900.0, "Waiting: full; trying again in 15 min"),
        (901.0, 900.0, "Waiting: full; trying again in 15 min"),
    ],
)
def test_a_wait_is_at_most_a_quarter_of_an_hour(wait_s: float | None, slept_s: float, line: str) -> None:
    here = Here(Far())
    assert wait_out(here.context, NotYet("full", wait_s=wait_s)) == "full"
    assert here.clock.slept_s == slept_s and here.listener.lines == [line]


def test_a_wait_until_a_moment_ends_a_minute_after_it_and_is_reported_once() -> None:
    here = Here(Far())
    slept: list[float] = []
    sleep = here.clock.sleep
    # Replaced for this test.
    here.clock.sleep = lambda seconds: (slept.append(seconds), sleep(seconds))[1]  # type: ignore[method-assign]
    until = here.clock.now() + timedelta(seconds=2000.0)
    assert wait_out(here.context, NotYet("spent", until=until)) == "spent"
    assert slept == [900.0, 900.0, 200.0, 60.0]
    assert here.listener.lines == ["Waiting until 2026-01-01 00:33 UTC: spent"]
    wait_out(here.context, NotYet("spent", until=until), "spent")
    assert len(here.listener.lines) == 1 and slept[4:] == [60.0]
    wait_out(here.context, NotYet("spent", until=here.clock.now() + timedelta(seconds=0.5)), "spent")
    assert slept[5:] == [0.5, 60.0]


def test_the_deadline_of_a_session_is_within_the_quota_of_a_command_that_waits() -> None:
    card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
    request = RunRequest(card=card, profile="full")
    sizes = request.sizes(0)
    quota = Quota(resource="GPU", used_s=0.0, reserved_s=0.0, allowed_s=7200.0)
    for waits, left, deadline_s in ((True, quota, 7200.0), (False, quota, 32_400.0), (True, None, 32_400.0)):
        here = Here(Far(), waits=waits)
        here.far.left = left
        spec = session_spec(here.context, request, sizes)
        assert spec.sizes.deadline_s == deadline_s and (here.far.asked == ["quota"]) is waits
        assert (spec.backend, spec.session_device, spec.profile) == ("far", "cpu", "full")
        assert spec.one_thread is (card.pack != 1)
    packed = session_spec(Here(Far()).context, replace(request, card=replace(card, pack=1)), sizes)
    assert not packed.one_thread
    shared = session_spec(Here(Far()).context, replace(request, card=replace(card, pack=2)), sizes)
    assert shared.one_thread


ENTRY = FileEntry(path="checkpoints/a.zip", size_bytes=1, sha256="a" * 64)


def carried(*records: SessionRecord, faults: tuple[str, ...] = (), held: bool = True) -> Handle | None:
    """The session that the files in place can be taken from."""
    card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
    path = f"{card.directory}/data/models/{ENTRY.path}"
    manifest = Manifest(
        stamp={},
        spec={},
        started_at="",
        ended_at="",
        exit_code=0,
        error=None,
        outcome=SectionOutcome(ending=KernelEnding.PAUSED),
        inputs=(),
        files=(replace(ENTRY, path=path),) if held else (),
        timings_s={},
    )
    context = SimpleNamespace(
        backend=SimpleNamespace(name="far"),
        ledger=SimpleNamespace(sessions=lambda lineage_id: list(records)),
        results=SimpleNamespace(manifest=lambda folder: (manifest, faults)),
    )
    view = CheckpointInventory(root=Path("/m"), verified=(), faults={}, leftovers=(), entries=(ENTRY,))
    found = checkpoint_set(cast(RunContext, context), card, view)
    assert (found.root, found.entries) == (view.root, view.entries)
    return found.source


def test_checkpoints_are_taken_from_a_session_whose_outputs_hold_them() -> None:
    here = Here(Far())
    record = replace(planned(here), handle=str(HANDLE), results_dir="/results/x")
    assert carried(record) == HANDLE
    assert carried(replace(record, backend="other")) is None
    assert carried(replace(record, handle=None)) is None
    assert carried(replace(record, results_dir=None)) is None
    assert carried(replace(record, swept=True)) is None
    assert carried(record, faults=("a.zip is missing",)) is None
    assert carried(record, held=False) is None
    older = replace(record, handle="far://ana/x-s00")
    assert carried(older, record) == HANDLE
    for newer in (replace(record, backend="other"), replace(record, swept=True)):
        assert carried(older, newer) == Handle.parse("far://ana/x-s00")


def test_without_checkpoints_in_place_no_session_is_looked_at() -> None:
    view = CheckpointInventory(root=Path("/m"), verified=(), faults={}, leftovers=(), entries=())
    card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
    assert checkpoint_set(cast(RunContext, None), card, view) == CheckpointSet(root=Path("/m"), entries=())


def test_a_backend_that_is_away_raises_and_keeps_the_intent() -> None:
    here = Here(Far(finds=[RemoteUnavailable("away")]), waits=False)
    record = planned(here)
    with pytest.raises(RemoteUnavailable, match="away"):
        confirmed(here.context, record)
    assert here.kinds == ["session_planned"] and datetime.fromisoformat(here.record().planned_at)
