"""A campaign that runs keeps one log open for each session elsewhere, and reads event files here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.ledger.records import Stage
from orchestrator.kernel.wire import report_line
from orchestrator.stores.project import Project
from orchestrator.wiring import live_logs
from orchestrator.wiring.live_logs import LiveTrials
from tests.simulation.campaigns import SMALL, expanded
from tests.unit.core.autopsy.makers import record

(TRIAL, *_), PROJECT = expanded(SMALL)[1], cast(Project, None)


class Service:
    """A log that is sent line by line; the stream breaks once."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.steps, self.wanted = 0, threading.Semaphore(0)

    def follow(self, handle: object, cursor: int) -> Iterator[tuple[str, int]]:
        self.asked.append(cursor)
        while self.wanted.acquire(timeout=10.0):
            self.steps += 10
            if self.steps == 20 and len(self.asked) == 1:
                raise RemoteUnavailable("the stream broke")
            yield report_line("progress", steps=self.steps, target_steps=40, steps_per_s=5.0), self.steps
            if self.steps == 40:
                yield report_line("ending", end_reason="finished"), 41
                return


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()
    monkeypatch.setattr(live_logs, "make_backend", lambda *names, **brief: made)
    monkeypatch.setattr(live_logs, "_OPEN_AGAIN_S", 0.01)
    return made


def test_one_stream_is_followed_until_it_ends_and_opened_again_where_it_broke(service: Service) -> None:
    fields: dict[str, Any] = {"lineage_id": TRIAL.lineage_id, "stage": Stage.SUBMITTED}
    opened = [record("kaggle", handle="kaggle://ana/slug", **fields)]
    with LiveTrials(PROJECT) as live:
        assert live.now([TRIAL], opened)[TRIAL.lineage_id].steps == 0
        threads = [one for one in threading.enumerate() if one.name == opened[0].slug]
        for steps in (10, 30, 40):
            for _ in range(2 if steps == 30 else 1):
                service.wanted.release()
            seen = 0
            while seen < steps:
                seen = live.now([TRIAL], opened)[TRIAL.lineage_id].steps
            assert seen == steps
        assert service.asked == [0, 10]
        assert live.now([TRIAL], []) == {}
    for one in threads:
        one.join(10.0)
        assert not one.is_alive()
