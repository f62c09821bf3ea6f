"""How far the trials of a campaign are while it runs: event files here, and one open log for each session elsewhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.kernel.wire import ENDING, parse_report
from orchestrator.stores.project import Project
from orchestrator.wiring import LOCAL, make_backend
from orchestrator.wiring.live import progress_of

_OPEN_AGAIN_S = 15.0
_MOST_REPORTS = 500


class LiveTrials:
    """Reads how far the sessions in flight are, again and again, without a further request for each reading.

    Use it as a context: its threads stop at the end of the block.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._logs: dict[str, _FollowedLog] = {}

    def __enter__(self) -> LiveTrials:
        return self

    def __exit__(self, *fault: object) -> None:
        self._leave(set(self._logs))

    def now(self, trials: Iterable[Trial], opened: Iterable[SessionRecord]) -> dict[str, LiveProgress]:
        """Lineage id -> the session in flight of a trial.

        Args:
            opened: Sessions that are not closed.
        """
        cards = {trial.lineage_id: trial.card for trial in trials}
        records = [one for one in opened if one.lineage_id in cards]
        self._leave(set(self._logs) - {one.key for one in records})
        return {one.lineage_id: self._progress(cards[one.lineage_id], one) for one in records}

    def _progress(self, card: SectionCard, record: SessionRecord) -> LiveProgress:
        answer = None
        if record.backend != LOCAL and record.handle is not None:
            if record.key not in self._logs:
                self._logs[record.key] = _FollowedLog(self._project, card, record)
            answer = self._logs[record.key].answer()
        return progress_of(self._project, card, record, answer, datetime.now(tz=UTC))

    def _leave(self, keys: set[str]) -> None:
        for key in keys:
            self._logs.pop(key).leave()


class _FollowedLog:
    """The log of one session, followed by a thread.

    A log that is complete or breaks is opened again later. The thread is a daemon: it may wait for the service's next
    byte when the command ends.
    """

    def __init__(self, project: Project, card: SectionCard, record: SessionRecord) -> None:
        self._over = threading.Event()
        self._reports: deque[Mapping[str, Any]] = deque(maxlen=_MOST_REPORTS)
        self._trouble = ""
        arguments = (project, card, record.backend, Handle.parse(str(record.handle)))
        threading.Thread(target=self._follow, args=arguments, name=record.slug, daemon=True).start()

    def answer(self) -> dict[str, Any]:
        """What is known now, see `progress_of`."""
        return {"events": tuple(self._reports), "state": self._trouble}

    def leave(self) -> None:
        """Read no further."""
        self._over.set()

    def _follow(self, project: Project, card: SectionCard, backend_name: str, handle: Handle) -> None:
        cursor = 0
        while True:
            try:
                backend = make_backend(backend_name, project, card, brief=True)
                for line, after in backend.follow(handle, cursor):
                    if self._over.is_set():
                        return
                    cursor = after
                    self._note(line)
                self._trouble = ""
            except OrchestratorError as fault:
                self._trouble = "" if fault.transient else f"its log cannot be read: {fault}"
            has_ended = bool(self._reports) and self._reports[-1]["kind"] == ENDING
            if has_ended or self._over.wait(_OPEN_AGAIN_S):
                return

    def _note(self, line: str) -> None:
        if (report := parse_report(line)) is not None:
            self._reports.append(report)
            self._trouble = ""
