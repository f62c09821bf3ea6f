"""The signal: two phases, minimum green, yellow and all-red between them, forced switch at the maximum green."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.numba_kernel.signals import advance_signals, grant_requests, set_gates
from validation_ch7.traffic.signal.timing import SignalTimes
from validation_ch7.traffic.state_tree import array_from

NORTH_SOUTH = 0
EAST_WEST = 1
N_PHASES = 2
SIGNAL_STATE = ("phase", "green_steps", "change_steps_left", "n_switches", "n_forced_switches")

Steps = npt.NDArray[np.int64]


class TwoPhaseSignal:
    """Signals of a batch of crossings; each starts with a new green for north-south.

    Args:
        batch: Number of scenarios.
        times: Durations of the lights.

    Attributes:
        times: As given.
        phase: Phase that has green, or gets it after the change interval, shape (batch,).
        green_steps: Green so far; 0 during a change, shape (batch,).
        change_steps_left: Remaining steps of yellow and all-red, shape (batch,).
        n_switches: Changes so far, including forced ones, shape (batch,).
        n_forced_switches: Changes so far that were forced by the maximum green, shape (batch,).
    """

    def __init__(self, *, batch: int, times: SignalTimes) -> None:
        self.times = times
        self.phase: Steps = np.full(batch, NORTH_SOUTH, dtype=np.int64)
        self.green_steps: Steps = np.zeros(batch, dtype=np.int64)
        self.change_steps_left: Steps = np.zeros(batch, dtype=np.int64)
        self.n_switches: Steps = np.zeros(batch, dtype=np.int64)
        self.n_forced_switches: Steps = np.zeros(batch, dtype=np.int64)

    def request(self, phases: npt.NDArray[np.int64]) -> None:
        """Request phases; granted at once where the signal may change, ignored elsewhere.

        Args:
            phases: Requested phases, shape (batch,): 0 north-south, 1 east-west.

        Raises:
            ValueError: A phase does not exist.
        """
        if phases.shape != self.phase.shape or not grant_requests(
            phases,
            self.phase,
            self.green_steps,
            self.change_steps_left,
            self.n_switches,
            self.times.min_green_steps,
            self.times.change_interval_steps,
        ):
            raise ValueError(f"phases must be 0 or 1 in shape {self.phase.shape}, got {phases!r}")

    def gate(self) -> Floats:
        """1 where vehicles pass the stop line, else 0, shape (4 * batch,) in the order N, S, E, W."""
        gate = np.empty(N_APPROACHES * len(self.phase))
        closed, lost = self.times.closed_steps, self.times.start_up_lost_steps
        set_gates(self.phase, self.green_steps, self.change_steps_left, closed, lost, 0, gate)
        return gate

    def is_yellow(self) -> npt.NDArray[np.bool_]:
        """Where the ending phase still shows yellow, shape (batch,)."""
        return self.change_steps_left > self.times.all_red_steps

    def advance(self) -> None:
        """Advance by one solver step."""
        advance_signals(
            self.phase,
            self.green_steps,
            self.change_steps_left,
            self.n_switches,
            self.n_forced_switches,
            0,
            len(self.phase),
            self.times.max_green_steps,
            self.times.change_interval_steps,
        )

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on, as copies."""
        return {name: np.array(getattr(self, name)) for name in SIGNAL_STATE}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore a copied state.

        Raises:
            ValueError: The state belongs to a batch of another size.
        """
        if set(state) != set(SIGNAL_STATE):
            raise ValueError(f"signal state has keys {sorted(state)}, expected {sorted(SIGNAL_STATE)}")
        for name in SIGNAL_STATE:
            setattr(self, name, array_from(state, name, like=getattr(self, name)))
