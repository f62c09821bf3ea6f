"""A kernel's outputs in memory, with the parts of Kaggle's API that fetch them and a menu of faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import OutputFile, OutputPage


@dataclass
class MemoryOutputs:
    """The outputs of one kernel.

    Attributes:
        files: Path -> content.
        log: The log in the listing.
        page_size: Names per page of the listing.
        names: Applied to the names of each listing, in order; a name may be listed several times.
        damage: Path, number of the request for it -> content to send; None for the true content.
        refused: Path -> HTTP status of each request for it; 0 for no answer.
        listing_status: Numbers of the listings that fail -> their HTTP status.
        log_fault: What each request for the log raises, None if it is answered.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""
    page_size: int = 200
    account: str = "ana"
    names: Callable[[list[str]], list[str]] = list
    damage: Callable[[str, int], bytes | None] = lambda path, number: None
    refused: dict[str, int] = field(default_factory=dict)
    listing_status: dict[int, int] = field(default_factory=dict)
    log_fault: ServiceFault | None = None
    calls: Counter[str] = field(default_factory=Counter)

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        """One page; the address of a name is the name and its place in the listing."""
        self.calls["listing"] += not token
        status = self.listing_status.get(self.calls["listing"])
        if status is not None:
            raise ServiceFault("outputs", status=status or None, message="")
        names = self.names(sorted(self.files))
        start = int(token or 0)
        page = [
            OutputFile(path=name, url=json.dumps([name, start + place]))
            for place, name in enumerate(names[start : start + self.page_size])
        ]
        more = start + self.page_size < len(names)
        return OutputPage(files=tuple(page), log=self.log, next_token=str(start + self.page_size) if more else "")

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """The content of a file, from an offset on."""
        name, _ = json.loads(url)
        self.calls[name] += 1
        if name in self.refused:
            raise ServiceFault("download", status=self.refused[name] or None, message="")
        changed = self.damage(url, self.calls[name])
        content = self.files[name] if changed is None else changed
        yield offset > 0, iter([content[offset:]])

    def log_events(self, owner: str, slug: str, **limits: float) -> Iterator[Mapping[str, Any]]:
        """The log, as events."""
        self.calls["log"] += 1
        if self.log_fault is not None:
            raise self.log_fault
        yield {"data": self.log}
