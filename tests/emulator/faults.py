"""How answers are made to misbehave: every answer asks here first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave.

    Attributes:
        drop: "before": close the connection without doing anything; "after": do it and close without an answer.
        status: Answer with this HTTP status instead, without doing anything.
        retry_after: Value of the header of that name.
        body: Body of that answer instead of the usual JSON (an HTML page of a proxy).
        truncate: Send only the first half of the body, then close.
        change: Applied to the JSON of the answer.
        damage: Applied to the bytes of a file that is downloaded; the answer promises the length that comes of it.
        when: Applied to the JSON of the request, or to the path of a file that is downloaded; the fault is kept for
            one that it is true for.
        lasting: Whether it happens every time.
    """

    drop: str = ""
    status: int = 0
    retry_after: str = ""
    body: str = ""
    truncate: bool = False
    change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    damage: Callable[[bytes], bytes] | None = None
    lasting: bool = False
    when: Callable[[Any], bool] = field(default=lambda request: True)


@dataclass
class Faults:
    """Faults waiting for their method, each used as often as it was added."""

    _waiting: dict[str, list[Fault]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, method: str, *, times: int = 1, **traits: Any) -> None:
        """Let the next answers of a method (its last word, e.g. `SaveKernel`, or `download`) misbehave."""
        with self._lock:
            self._waiting.setdefault(method, []).extend([Fault(**traits)] * times)

    def take(self, method: str, request: Any) -> Fault | None:
        """The fault for this answer, None for a good one."""
        with self._lock:
            for fault in self._waiting.get(method, []):
                if fault.when(request):
                    if not fault.lasting:
                        self._waiting[method].remove(fault)
                    return fault
        return None
