"""The live log of a session: followed line by line, or read in one bounded look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.log_parser import LineAssembler
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.pack import own_lines
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.wire import parse_report

SILENCE_S, MOST_S = 5.0, 20.0
"""A live log is sent from its beginning at once: after a silence of this length, or in this time, everything so far has
arrived. A young session may write a line every second."""

_FOLLOW_S = 600.0
"""Seconds after which to stop reading a live log and ask for the state: the service may never close a log."""

_MOST_REPORTS = 500
"""Newest reports that are kept; the first one holds the session's number."""


def whole_lines(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a log's events; a last one without an end counts once the events are over."""
    assembler = LineAssembler()
    for event in events:
        yield from assembler.feed(event)
    yield from assembler.rest()


def lines_so_far(api: KaggleApi, handle: Handle) -> list[str]:
    """The complete lines of a session's log, without waiting for more; none while it has no log.

    Raises:
        ServiceFault: Kaggle refused the log.
    """
    return list(_lines(api, handle))


def log_from(api: KaggleApi, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
    """Lines of the log after the first `cursor`, each with its number, live while the session runs.

    Raises:
        ServiceFault: The stream broke; a new call continues from the last cursor.
    """
    events = api.log_events(handle.owner, handle.slug, most_s=_FOLLOW_S)
    # Every stream starts at the beginning: lines that were already returned are counted and skipped.
    for count, line in enumerate(whole_lines(events), 1):
        if count > cursor:
            yield line, count


def first_report(api: KaggleApi, handle: Handle) -> dict[str, Any] | None:
    """The first report in the log, None if it has none so far.

    Raises:
        ServiceFault: Kaggle refused the log.
    """
    return next((one for one in map(parse_report, _lines(api, handle)) if one is not None), None)


def recent_reports(api: KaggleApi, handle: Handle) -> list[Mapping[str, Any]]:
    """The first and the newest reports of a session, oldest first; of a pack, those of the handle's session.

    A report that was made after the look began ends it: everything before it has arrived.

    Raises:
        ServiceFault: Kaggle refused the log.
    """
    began, first = api.service_now(), list[Mapping[str, Any]]()
    newest: deque[Mapping[str, Any]] = deque(maxlen=_MOST_REPORTS)
    for line in _lines(api, handle):
        if (report := parse_report(line)) is None:
            continue
        if any(own_lines([line], handle.member)):
            (newest if first else first).append(report)
        if _is_younger(report, began):
            break
    return [*first, *newest]


def _is_younger(report: Mapping[str, Any], moment: datetime) -> bool:
    at = parse_timestamp(str(report.get("at")))
    return at is not None and at >= moment


def _lines(api: KaggleApi, handle: Handle) -> Iterator[str]:
    assembler = LineAssembler()
    try:
        for event in api.log_events(handle.owner, handle.slug, silence_s=SILENCE_S, most_s=MOST_S):
            yield from assembler.feed(event)
    except ServiceFault as fault:
        if fault.status not in (None, 404):  # without a status: it fell silent
            raise
