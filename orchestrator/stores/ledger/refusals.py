"""Trials that the last tick refused before a push: a table beside the events, for `campaign status`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from orchestrator.stores.ledger.sqlite import SqliteLedger

_SCHEMA = "CREATE TABLE IF NOT EXISTS refusals (lineage_id TEXT PRIMARY KEY, why TEXT NOT NULL)"


class SqliteRefusals:
    """The reasons by lineage. If one is lost, the next tick finds it again.

    Args:
        ledger: Holds the table.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._connection = ledger.connection

    def note(self, lineage_id: str, why: str) -> None:
        """Store why a trial was refused; replaces an earlier reason."""
        self._connection.execute(_SCHEMA)
        self._connection.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?)", (lineage_id, why))

    def clear(self, lineage_id: str) -> None:
        """Remove the reason of a trial."""
        if lineage_id in self.reasons():
            self._connection.execute("DELETE FROM refusals WHERE lineage_id = ?", (lineage_id,))

    def reasons(self) -> Mapping[str, str]:
        """Lineage id -> reason. Writes nothing."""
        try:
            return dict(self._connection.execute("SELECT lineage_id, why FROM refusals"))
        except sqlite3.OperationalError as fault:
            if "no such table" in str(fault):
                return {}  # no tick has refused a trial yet
            raise
