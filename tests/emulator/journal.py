"""The journal of all requests, for tests that count them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request: method name, its JSON, status of the answer (0 without an answer), and bytes in each direction."""

    method: str
    request: Any
    status: int
    bytes_in: int
    bytes_out: int


@dataclass
class Journal:
    """Every request, in order."""

    entries: list[Entry] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, entry: Entry) -> None:
        """Record a request."""
        with self._lock:
            self.entries.append(entry)

    @property
    def counts(self) -> Counter[str]:
        """Requests by method."""
        return Counter(entry.method for entry in self.entries)

    @property
    def uploaded_bytes(self) -> int:
        """Bytes of all request bodies."""
        return sum(entry.bytes_in for entry in self.entries)

    def of(self, method: str) -> list[Entry]:
        """The requests of one method."""
        return [entry for entry in self.entries if entry.method == method]

    def clear(self) -> None:
        """Delete all entries."""
        with self._lock:
            self.entries.clear()
