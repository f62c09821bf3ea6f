"""Injected faults; the server checks them before every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        drop: "before": close the connection without acting; "after": act, then close without an answer.
        status: Answer with this HTTP status instead of acting.
        retry_after: Value of the header `Retry-After`.
        body: Body of that answer instead of the usual JSON (e.g. the HTML page of a proxy).
        truncate: Send only the first half of the body, then close.
        change: Applied to the JSON of the answer.
        damage: Applied to the bytes of a downloaded file; the header `Content-Length` matches the result.
        headers: Further headers of a downloaded file; None as a value leaves a usual one out.
        endless: Sent again and again as the body of an answer, until the client closes the connection.
        redirect: Answer with a redirect to this address.
        ignore_range: Send a downloaded file from its beginning although the answer says 206.
        when: Condition on the JSON of the request, or on the path of a downloaded file; the fault waits until it is
            true.
        lasting: Whether the fault applies every time.
    """

    drop: str = ""
    status: int = 0
    retry_after: str = ""
    body: str = ""
    truncate: bool = False
    change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    damage: Callable[[bytes], bytes] | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    endless: bytes = b""
    redirect: str = ""
    ignore_range: bool = False
    lasting: bool = False
    when: Callable[[Any], bool] = field(default=lambda request: True)


@dataclass
class Faults:
    """Pending faults by method; each is used as often as it was added."""

    _waiting: dict[str, list[Fault]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, method: str, *, times: int = 1, **traits: Any) -> None:
        """Add a fault to the next answers of a method (last part of its name, e.g. `SaveKernel`, or `download`)."""
        with self._lock:
            self._waiting.setdefault(method, []).extend([Fault(**traits)] * times)

    def take(self, method: str, request: Any) -> Fault | None:
        """The fault for this answer, None for a normal answer."""
        with self._lock:
            for fault in self._waiting.get(method, []):
                if fault.when(request):
                    if not fault.lasting:
                        self._waiting[method].remove(fault)
                    return fault
        return None
