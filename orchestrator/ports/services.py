"""What the pipeline is surrounded by: time, people, the outside, and whoever proposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from orchestrator.core.messages import Message
from orchestrator.core.search.proposals import Batch, Point


class Clock(Protocol):
    """Time; injected so that tests need not wait."""

    def now(self) -> datetime:
        """Aware time, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Narrator(Protocol):
    """Shows the user what happens."""

    def report(self, message: Message) -> None:
        """Show a message, or omit it by its level; never by its text."""

    def progress(self, report: dict[str, Any]) -> None:
        """Show the progress of a training."""

    def quiet(self) -> None:
        """End the progress display."""


class Notifier(Protocol):
    """Tells the outside what became of a campaign."""

    def tell(self, report: Mapping[str, Any]) -> None:
        """Send a report.

        Raises:
            OrchestratorError: It did not arrive.
        """


class Proposer(Protocol):
    """Proposes the variants of one search, and gives up those that promise little. The same words, the same answer.

    Everything that it may learn from is handed in; it remembers nothing but what makes it faster.
    """

    def next_batch(self, told: Sequence[Batch], size: int) -> tuple[Point, ...]:
        """The next proposals.

        Args:
            told: All earlier batches, decided in full where the search waits for them.
            size: How many at most.

        Returns:
            At most `size`; the first of a longer batch are those of a shorter one.
        """

    def pruned_at(self, told: Sequence[Batch], number: int, point: Point, rungs: Sequence[float]) -> int | None:
        """The rung at which a proposal is given up, from 1, None if it may go on.

        Args:
            told: The batches before its own, decided in full.
            number: Its place among all proposals, from 0.
            rungs: Best score so far at each rung that it has reached.
        """
