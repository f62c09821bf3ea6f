"""Cancels the probe's second session as soon as its log says that it waits for that."""

from __future__ import annotations

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.diagnosis.probe import READY, SESSION_ID


class CancelAttempt:
    """Reads the session's number in the log, and asks once for its end.

    Attributes:
        asked: Whether the cancel was sent.
        refusal: Why Kaggle refused it; empty if it did not.
    """

    def __init__(self, api: KaggleApi) -> None:
        self._api = api
        self._session_id: int | None = None
        self.asked = False
        self.refusal = ""

    def on_line(self, line: str) -> None:
        """Take one line of the session's log."""
        word, _, rest = line.partition(" ")
        if word == SESSION_ID and rest.isdigit():
            self._session_id = int(rest)
        if word == READY and self._session_id is not None and not self.asked:
            self.asked = True
            try:
                self.refusal = self._api.cancel_session(self._session_id)
            except ServiceFault as fault:
                self.refusal = str(fault)
