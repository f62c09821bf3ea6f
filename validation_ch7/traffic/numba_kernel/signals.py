"""The signals of a batch: grant requests, open stop lines, advance time."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


@compiled
def grant_requests(
    wanted: Counts,
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    n_switches: Counts,
    min_green_steps: int,
    change_interval_steps: int,
) -> bool:
    """Start the requested changes that are allowed.

    Returns:
        False, with nothing changed, if a requested phase does not exist.
    """
    for number in range(wanted.shape[0]):
        if wanted[number] != 0 and wanted[number] != 1:
            return False
    for number in range(wanted.shape[0]):
        # During a change `green_steps` is 0, so the minimum green also prevents another change.
        if wanted[number] != phase[number] and green_steps[number] >= min_green_steps:
            phase[number] = wanted[number]
            green_steps[number] = 0
            change_steps_left[number] = change_interval_steps
            n_switches[number] += 1
    return True


@compiled
def set_gates(
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    closed_steps: int,
    start_up_lost_steps: int,
    first: int,
    gate: Floats,
) -> None:
    """Set the gates of the stop lines of the crossings from `first` on, in the order N, S, E, W.

    Args:
        phase: Of all crossings, shape (batch,).
        green_steps: Of all crossings, shape (batch,).
        change_steps_left: Of all crossings, shape (batch,).
        closed_steps: Last steps of a change, in which all stop lines are closed; before, the ending phase passes.
        start_up_lost_steps: First steps of a green, in which its stop lines are still closed.
        first: The crossing of the gate's first lane.
        gate: Output: 1 where open, shape (4 * L,); unused places are closed.
    """
    crossings = gate.shape[0] // N_APPROACHES
    for place in range(crossings):
        number = first + place
        passing = -1
        if number < phase.shape[0]:
            if change_steps_left[number] > closed_steps:
                passing = 1 - phase[number]
            elif change_steps_left[number] == 0 and green_steps[number] >= start_up_lost_steps:
                passing = phase[number]
        gate[place] = gate[crossings + place] = 1.0 if passing == 0 else 0.0
        gate[2 * crossings + place] = gate[3 * crossings + place] = 1.0 if passing == 1 else 0.0


@compiled
def advance_signals(
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    n_switches: Counts,
    n_forced_switches: Counts,
    first: int,
    end: int,
    max_green_steps: int,
    change_interval_steps: int,
) -> None:
    """Advance the signals `first` to `end - 1` by one solver step; a green at its maximum ends."""
    for number in range(first, min(end, phase.shape[0])):
        if change_steps_left[number] > 0:
            change_steps_left[number] -= 1
        else:
            green_steps[number] += 1
        if green_steps[number] >= max_green_steps:
            phase[number] = 1 - phase[number]
            green_steps[number] = 0
            change_steps_left[number] = change_interval_steps
            n_switches[number] += 1
            n_forced_switches[number] += 1
