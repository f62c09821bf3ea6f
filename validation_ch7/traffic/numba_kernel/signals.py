"""The signals of a batch: requests granted, stop lines opened, time passing."""

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
    """Begin the changes that are asked for and allowed.

    Returns:
        False, with nothing changed, if a phase asked for does not exist.
    """
    for number in range(wanted.shape[0]):
        if wanted[number] != 0 and wanted[number] != 1:
            return False
    for number in range(wanted.shape[0]):
        # During a change no green has run, so the minimum green refuses it as well.
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
    """Open the stop lines of the crossings from `first` on that vehicles pass now, in the order N, S, E, W.

    Args:
        phase: Of all crossings, shape (batch,).
        green_steps: Of all crossings, shape (batch,).
        change_steps_left: Of all crossings, shape (batch,).
        closed_steps: At the end of a change all stop lines are closed for so long; before, the ending phase passes.
        start_up_lost_steps: At the beginning of a green its stop lines are closed for so long.
        first: The crossing of the gate's first lane.
        gate: Written: 1 where open, shape (4 * L,); places beyond the batch stay closed.
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
    """Let one solver step pass for the signals `first` to `end`; green that has lasted too long ends."""
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
