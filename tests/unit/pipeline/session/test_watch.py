"""A failed poll is not a failed session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.backend_types import Handle, Observation, Retrieval, SessionState
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.kernel.wire import Ticket, digest_of, report_line
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.look import EndCheck
from orchestrator.pipeline.session.watch import PATIENCE_S, watch
from orchestrator.stores.session.results import ResultsTree
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener

HANDLE = Handle(backend="x", owner="o", slug="s")
RUNNING = Observation(state=SessionState.RUNNING, native="RUNNING")
UNKNOWN = Observation(state=SessionState.UNKNOWN, native="SOMETHING_NEW")
ENDED = Observation(state=SessionState.ENDED, native="COMPLETE", exit_code=0)
AWAY = OrchestratorError("HTTP 500", transient=True)
SPEC = {"deadline_s": 600.0, "scenario": "s", "target_steps": 40}
TICKET = Ticket(
    run_id="r",
    session=1,
    attempt=1,
    nonce="n",
    section="s",
    section_dir="s",
    lineage_id="c" * 64,
    spec=SPEC,
    spec_digest=digest_of(SPEC),
    bundle_digest="",
)


@dataclass
class Scripted:
    """A backend that answers from a list and repeats its last answer."""

    answers: list[Observation | OrchestratorError]
    log: list[str] = field(default_factory=list)
    polls: int = 0

    @property
    def capabilities(self) -> Capabilities:
        return cast(
            Capabilities,
            type(
                "Card",
                (),
                {"look_every_s": (5.0, 60.0), "streams_log": False, "max_wall_s": 3600.0, "late_outputs": False},
            ),
        )

    def observe(self, handle: Handle) -> Observation:
        answer = self.answers[min(self.polls, len(self.answers) - 1)]
        self.polls += 1
        if isinstance(answer, OrchestratorError):
            raise answer
        return answer

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        raise RemoteUnavailable("nothing can be fetched")

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        yield from ((line, count) for count, line in enumerate(self.log, start=1) if count > cursor)


def _context(backend: Scripted, results: Any = None) -> tuple[RunContext, FakeClock, Listener]:
    clock, listener = FakeClock(), Listener()
    context = RunContext(
        backend=cast(Any, backend),
        clock=clock,
        narrator=listener,
        results=results,
        **dict.fromkeys(("ledger", "models", "code"), cast(Any, None)),
        draw_token=str,
        version="0",
    )
    return context, clock, listener


def _watch(backend: Scripted) -> tuple[Observation, FakeClock, Listener]:
    context, clock, listener = _context(backend)
    return watch(context, HANDLE), clock, listener


def test_failed_polls_between_successful_ones_are_ignored() -> None:
    observation, _, _ = _watch(Scripted([RUNNING, AWAY, AWAY, RUNNING, AWAY, ENDED]))
    assert observation is ENDED


def test_an_unknown_state_does_not_end_the_session() -> None:
    observation, _, _ = _watch(Scripted([UNKNOWN, UNKNOWN, RUNNING, ENDED]))
    assert observation is ENDED


def test_a_backend_that_stays_unreachable_ends_the_watch_not_the_session() -> None:
    with pytest.raises(RemoteUnavailable, match="could not be asked for 30 minutes: HTTP 500") as fault:
        _watch(Scripted([RUNNING, AWAY]))
    assert "goes on" in fault.value.remedy
    assert fault.value.exit_code == 4


def test_a_permanent_error_is_raised_at_once() -> None:
    with pytest.raises(OrchestratorError, match="gone"):
        _watch(Scripted([RUNNING, OrchestratorError("gone")]))


def test_the_polling_interval_grows_up_to_its_maximum() -> None:
    backend = Scripted([RUNNING] * 100 + [ENDED])
    _, clock, _ = _watch(backend)
    assert backend.polls == 101
    assert 50 * 60.0 < clock.slept_s <= 100 * 60.0
    assert PATIENCE_S > 60.0


def test_only_checkpoint_lines_and_reports_are_shown() -> None:
    log = ["pip noise", "[CHECKPOINT] Starting fresh training", report_line("progress", steps=1, target_steps=2)]
    log += [report_line("phase", text="Comparing"), report_line("saved", steps=1)]
    _, _, listener = _watch(Scripted([ENDED], log))
    assert listener.lines == ["[CHECKPOINT] Starting fresh training", "Comparing"]
    assert [report["kind"] for report in listener.reports] == ["progress", "quiet"]


def test_an_unknown_state_that_outlasts_every_session_ends_the_watch(tmp_path: Path) -> None:
    context, clock, _ = _context(Scripted([RUNNING, UNKNOWN]), ResultsTree(tmp_path))
    record = SessionRecord(
        key="r/s01a1",
        run_id="r",
        lineage_id="c" * 64,
        session=1,
        attempt=1,
        slug="s",
        backend="x",
        nonce="n",
        ticket=TICKET.to_json(),
        stage=Stage.SUBMITTED,
        planned_at=clock.now().isoformat(),
        handle=str(HANDLE),
    )
    with pytest.raises(RemoteUnavailable, match="SOMETHING_NEW") as fault:
        watch(context, HANDLE, EndCheck(context, record, HANDLE).end_of)
    assert "fetch" in fault.value.remedy


def test_a_long_wait_for_an_answer_is_reported_once_and_a_short_one_not() -> None:
    for failed, lines in ((2, []), (20, ["s: HTTP 500; asking again for up to 30 min"])):
        end, _, listener = _watch(Scripted([RUNNING, *[AWAY] * failed, ENDED]))
        assert end.native == "COMPLETE"
        assert [line for line in listener.lines if "asking again" in line] == lines
