"""A look at a live log reads what is there and leaves: it never waits for the end of a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.session import live_log
from orchestrator.backends.kaggle.session.live_log import first_report, lines_so_far, recent_reports
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.wire import member_mark, report_line

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HANDLE = Handle(backend="kaggle", owner="ana", slug="kernel")


def progress(steps: int, age_s: float) -> str:
    return report_line("progress", steps=steps, at=(NOW - timedelta(seconds=age_s)).isoformat())


class Service:
    """A log whose lines arrive at once; then new ones without end, silence, or a refusal."""

    def __init__(self, *lines: str, then: str | ServiceFault = "") -> None:
        self._lines, self._then = lines, then
        self.sent = 0
        self.limits: dict[str, float] = {}

    def service_now(self) -> datetime:
        return NOW

    def log_events(self, owner: str, slug: str, **limits: float) -> Iterator[Mapping[str, Any]]:
        self.limits = limits
        for line in self._lines:
            self.sent += 1
            yield {"data": line + "\n"}
        if isinstance(self._then, ServiceFault):
            raise self._then
        while self._then:
            self.sent += 1
            yield {"data": self._then + "\n"}

    @property
    def api(self) -> KaggleApi:
        return cast(KaggleApi, self)


OPENED = report_line("opened", session_id=7)
SILENT = ServiceFault("log", status=None, message="ReadTimeout")


def test_reading_ends_at_the_first_report_that_is_younger_than_the_question() -> None:
    service = Service("pip noise", OPENED, progress(10, 60.0), progress(20, 8.0), then=progress(30, -1.0))
    found = recent_reports(service.api, HANDLE)
    assert [one.get("steps") for one in found] == [None, 10, 20, 30] and found[0]["session_id"] == 7
    assert service.sent == 5 and 0 < service.limits["silence_s"] <= 5 and service.limits["most_s"] <= 20


def test_silence_ends_the_reading_of_a_log_without_times() -> None:
    service = Service(OPENED, report_line("progress", steps=10), then=SILENT)
    assert [one.get("steps") for one in recent_reports(service.api, HANDLE)] == [None, 10]
    assert lines_so_far(service.api, HANDLE) == [OPENED, report_line("progress", steps=10)]


def test_refusal_is_raised_and_an_absent_log_is_empty() -> None:
    with pytest.raises(ServiceFault):
        recent_reports(Service(then=ServiceFault("log", status=500, message="")).api, HANDLE)
    assert recent_reports(Service(then=ServiceFault("log", status=404, message="")).api, HANDLE) == []


def test_first_report_and_the_newest_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "_MOST_REPORTS", 3)
    service = Service(OPENED, *(progress(steps, 60.0) for steps in range(10)), then=SILENT)
    assert [one.get("steps") for one in recent_reports(service.api, HANDLE)] == [None, 7, 8, 9]
    assert first_report(service.api, HANDLE) == {"kind": "opened", "session_id": 7}


def test_reports_of_other_sessions_of_a_pack_are_left_out_but_end_the_reading() -> None:
    own, other = member_mark(2), member_mark(1)
    service = Service(other + progress(1, 60.0), own + progress(2, 60.0), then=other + progress(3, -1.0))
    found = recent_reports(service.api, Handle(backend="kaggle", owner="ana", slug="kernel", member=2))
    assert [one["steps"] for one in found] == [2] and service.sent == 3
