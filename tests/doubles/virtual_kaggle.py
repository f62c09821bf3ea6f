"""A Kaggle API in virtual time: it remembers its kernels, which run while the fake clock sleeps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import KernelRecord, OutputPage, SaveAnswer, SaveRequest
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.wire import report_line
from tests.doubles.clock import FakeClock


@dataclass
class VirtualKaggle:
    """One account.

    Attributes:
        queued_s: Seconds a kernel waits for a machine.
        runs_s: Seconds a kernel runs after that.
        hidden_s: Seconds during which a saved kernel answers 404 to everything.
        stream_lasts_s: Seconds after which a live log breaks, as behind a load balancer.
        lose: For the next calls of `save_kernel`: fail "before" or "after" the kernel is saved.
        renames: Slug that is asked for -> the one that the service gives.
        never_ends_log: Whether a live log stays open after its last line, until the reader leaves.
        refuse: Error texts of the next pushes, which are refused inside an HTTP 200 answer.
    """

    clock: FakeClock
    queued_s: float = 0.0
    runs_s: float = 600.0
    hidden_s: float = 0.0
    stream_lasts_s: float = 300.0
    renames: dict[str, str] = field(default_factory=dict)
    never_ends_log: bool = False
    account: str = "ana"
    lose: list[str] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    saved: dict[str, tuple[SaveRequest, float]] = field(default_factory=dict)
    pushes: int = 0
    left_s: float = 30 * 3600.0
    refresh_after_s: float | None = None

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        self.calls["save_kernel"] += 1
        how = self.lose.pop(0) if self.lose else ""
        if how == "before":
            raise ServiceFault("push", status=None, message="ConnectionError")
        if self.refuse:
            return SaveAnswer(ref="", version=None, error=self.refuse.pop(0))
        self.pushes += 1
        slug = self.renames.get(wanted.slug, wanted.slug)
        self.saved[slug] = (wanted, self.clock.monotonic())
        if how == "after":
            raise ServiceFault("push", status=None, message="ReadTimeout")
        return SaveAnswer(ref=f"{wanted.owner}/{slug}", version=1)

    def kernel_slugs(self) -> Iterator[str]:
        self.calls["kernel_slugs"] += 1
        yield from (slug for slug in reversed(self.saved) if self._age_s(slug) is not None)

    def kernel(self, owner: str, slug: str) -> KernelRecord | None:
        self.calls["kernel"] += 1
        if self._age_s(slug) is None:
            return None
        return KernelRecord(source=self.saved[slug][0].source, version=1, private=True)

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        self.calls["status"] += 1
        age_s = self._age_s(slug)
        if age_s is None:
            raise ServiceFault("state", status=404, message="No runs found for this kernel")
        if age_s < self.queued_s:
            return "QUEUED", ""
        return ("RUNNING" if age_s < self.queued_s + self.runs_s else "COMPLETE"), ""

    def log_events(self, owner: str, slug: str, *, most_s: float = math.inf) -> Iterator[Mapping[str, Any]]:
        """Replay the log from the start, then follow it; waiting for a line moves the clock."""
        self.calls["log_events"] += 1
        opened_s = self.clock.monotonic()
        born_s = self.saved[slug][1] + self.queued_s
        for at_s in range(15, int(self.runs_s) + 1, 15):
            ahead_s = born_s + at_s - self.clock.monotonic()
            if ahead_s > 0:
                if self.clock.monotonic() + ahead_s - opened_s > self.stream_lasts_s:
                    self.clock.sleep(max(0.0, opened_s + self.stream_lasts_s - self.clock.monotonic()))
                    raise ServiceFault("log", status=None, message="ChunkedEncodingError")
                self.clock.sleep(ahead_s)
            yield {
                "stream_name": "stdout",
                "data": report_line("progress", steps=at_s, target_steps=self.runs_s) + "\n",
            }
            if self.clock.monotonic() - opened_s > most_s:
                return
        if self.never_ends_log:
            self.clock.sleep(min(most_s, 1e9))

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        self.calls["output_page"] += 1
        return OutputPage(files=(), log="", next_token="")

    def quotas(self) -> tuple[Quota, ...]:
        self.calls["quotas"] += 1
        from datetime import timedelta

        refresh_at = None
        if self.refresh_after_s is not None:
            refresh_at = FakeClock().now() + timedelta(seconds=self.refresh_after_s)
            if self.clock.now() >= refresh_at:
                self.left_s = 30 * 3600.0
        total_s = 30 * 3600.0
        return (
            Quota(resource="GPU", used_s=total_s - self.left_s, reserved_s=0, allowed_s=total_s, refresh_at=refresh_at),
        )

    def _age_s(self, slug: str) -> float | None:
        if slug not in self.saved:
            return None
        age_s = self.clock.monotonic() - self.saved[slug][1]
        return None if age_s < self.hidden_s else age_s - self.hidden_s
