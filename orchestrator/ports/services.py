"""Services that the pipeline uses: clock, output, and the proposer of a search."""

from __future__ import annotations

from collections.abc import Sequence
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


class Proposer(Protocol):
    """Proposes the variants of one search, and prunes the weak ones. Equal arguments give equal answers."""

    def next_batch(self, earlier: Sequence[Batch], size: int) -> tuple[Point, ...]:
        """The next proposals.

        Args:
            earlier: All earlier batches, fully decided where the search waits for them.
            size: Largest number of proposals.

        Returns:
            At most `size` proposals; a smaller `size` gives the first of the same proposals.
        """

    def pruned_at(self, earlier: Sequence[Batch], number: int, point: Point, rungs: Sequence[float]) -> int | None:
        """The rung at which a proposal is pruned, from 1; None if it may go on.

        Args:
            earlier: The batches before its own, fully decided.
            number: Its place among all proposals, from 0.
            rungs: Best score so far at each rung that it has reached.
        """
