"""Why the last tick refused trials before anything was sent: a table beside the events, for `campaign status`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from orchestrator.stores.ledger.sqlite import SqliteLedger

_SCHEMA = "CREATE TABLE IF NOT EXISTS refusals (lineage_id TEXT PRIMARY KEY, why TEXT NOT NULL)"


class SqliteRefusals:
    """The reasons, by lineage. A lost reason is found again by the next tick.

    Args:
        ledger: Holds the table.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._connection = ledger.connection

    def store(self, lineage_id: str, why: str) -> None:
        """Store why a trial is refused, in place of an earlier reason; an empty reason removes it."""
        if why:
            self._connection.execute(_SCHEMA)
            self._connection.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?)", (lineage_id, why))
        elif lineage_id in self.reasons():
            self._connection.execute("DELETE FROM refusals WHERE lineage_id = ?", (lineage_id,))

    def reasons(self) -> Mapping[str, str]:
        """Lineage id -> reason; writes nothing."""
        try:
            return dict(self._connection.execute("SELECT lineage_id, why FROM refusals"))
        except sqlite3.OperationalError as fault:
            if "no such table" in str(fault):
                return {}  # no tick has refused a trial yet
            raise
