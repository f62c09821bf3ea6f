"""Sessions that were submitted together, each with a job of its own: one of them stops without the others."""

from __future__ import annotations

import pytest

from orchestrator.core.ledger.records import AskedBy
from orchestrator.core.session.backend_types import Handle
from orchestrator.pipeline.session.stop import ask_to_stop
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World

PACKED = expanded(SMALL + "pack: 4\n")


@pytest.mark.parametrize("own_jobs", [True, False])
def test_a_session_with_a_job_of_its_own_stops_alone(monkeypatch: pytest.MonkeyPatch, own_jobs: bool) -> None:
    computer = Computer(World(clock=FakeClock(), can_cancel=True), *PACKED)
    computer.tick()
    record = computer.ledger.open_sessions()[0]
    context = computer.context.run_context(PACKED[1][0].card, "local")
    stopped: list[Handle] = []
    kind = type(context.backend)
    monkeypatch.setattr(kind, "stops_alone", lambda self, handle: own_jobs)
    monkeypatch.setattr(kind, "cancel", lambda self, handle, session_id=None: stopped.append(handle))
    ask_to_stop(context, record, AskedBy.SEARCH)
    assert stopped == ([Handle.parse(str(record.handle))] if own_jobs else [])
