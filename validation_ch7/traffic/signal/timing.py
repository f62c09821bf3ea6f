"""The times of a signal, in whole solver steps, and which of them fit together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTimes:
    """How long each light lasts. Steps, not seconds: no rounding decides when a light changes.

    What vehicles pass is not what the lamps show: some still pass in the yellow, and after the lamp has turned
    green some time is lost until they move. With both, the effective green begins and ends later than the lamp's.

    Attributes:
        min_green_steps: Requests to change before that much green are ignored.
        max_green_steps: After that much green the phase changes by itself.
        yellow_steps: Yellow for the phase that ends.
        all_red_steps: Red for everybody, after the yellow.
        yellow_used_steps: Of the yellow: so long its vehicles still pass.
        start_up_lost_steps: Of the green: so long its vehicles do not pass yet.

    Raises:
        ValueError: The times make no signal; the message names them.

    Source:
        Transportation Research Board, Highway Capacity Manual, 6th ed., 2016, ch. 19 (effective green).
    """

    min_green_steps: int
    max_green_steps: int
    yellow_steps: int
    all_red_steps: int = 0
    yellow_used_steps: int = 0
    start_up_lost_steps: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.min_green_steps <= self.max_green_steps:
            raise ValueError(f"min_green of {self.min_green_steps} steps is not within 1..{self.max_green_steps}")
        if self.yellow_steps < 1 or self.all_red_steps < 0:
            raise ValueError(f"yellow of {self.yellow_steps} and all_red of {self.all_red_steps} steps make no change")
        if not 0 <= self.yellow_used_steps <= self.yellow_steps:
            raise ValueError(f"yellow_used of {self.yellow_used_steps} steps is not within 0..{self.yellow_steps}")
        if not 0 <= self.start_up_lost_steps < self.min_green_steps:
            raise ValueError(f"start_up_lost of {self.start_up_lost_steps} steps leaves no green that vehicles pass")

    @property
    def change_interval_steps(self) -> int:
        """Yellow and all-red together."""
        return self.yellow_steps + self.all_red_steps

    @property
    def closed_steps(self) -> int:
        """Last part of a change, in which every stop line is closed."""
        return self.change_interval_steps - self.yellow_used_steps

    @property
    def lost_steps(self) -> int:
        """Steps of each change in which nobody passes."""
        return self.closed_steps + self.start_up_lost_steps

    def of_kernel(self) -> tuple[int, int, int, int]:
        """In the order in which `advance_blocks` takes them."""
        return self.max_green_steps, self.change_interval_steps, self.closed_steps, self.start_up_lost_steps
