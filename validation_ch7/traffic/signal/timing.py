"""The times of a signal, in whole solver steps, and their consistency."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTimes:
    """Durations of a signal's lights in solver steps, so that rounding cannot affect when a light changes.

    Vehicles do not pass exactly when the lamp is green: some still pass in the yellow, and some time is lost at the
    start of the green. So the effective green begins and ends later than the displayed green.

    Attributes:
        min_green_steps: Least green; earlier requests for a change are ignored.
        max_green_steps: Longest green; then the phase changes automatically.
        yellow_steps: Yellow for the ending phase.
        all_red_steps: Red for all approaches, after the yellow.
        yellow_used_steps: Part of the yellow in which vehicles still pass.
        start_up_lost_steps: Part of the green before vehicles pass.

    Raises:
        ValueError: The times do not fit together; the message names them.

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
            raise ValueError(
                f"yellow must last at least 1 step and all_red at least 0,"
                f" not {self.yellow_steps} and {self.all_red_steps}"
            )
        if not 0 <= self.yellow_used_steps <= self.yellow_steps:
            raise ValueError(f"yellow_used of {self.yellow_used_steps} steps is not within 0..{self.yellow_steps}")
        if not 0 <= self.start_up_lost_steps < self.min_green_steps:
            raise ValueError(
                f"start_up_lost of {self.start_up_lost_steps} steps is not within 0..{self.min_green_steps - 1}:"
                " no vehicle could pass in the shortest green"
            )

    @property
    def change_interval_steps(self) -> int:
        """Yellow and all-red together."""
        return self.yellow_steps + self.all_red_steps

    @property
    def closed_steps(self) -> int:
        """Last steps of a change, in which every stop line is closed."""
        return self.change_interval_steps - self.yellow_used_steps

    @property
    def lost_steps(self) -> int:
        """Steps of each change in which no vehicle passes."""
        return self.closed_steps + self.start_up_lost_steps

    def of_kernel(self) -> tuple[int, int, int, int]:
        """Arguments in the order of `advance_blocks`."""
        return self.max_green_steps, self.change_interval_steps, self.closed_steps, self.start_up_lost_steps
