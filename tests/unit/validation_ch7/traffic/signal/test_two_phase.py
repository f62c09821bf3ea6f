"""The signal: when it may change, when it must change, and that the gates are closed in between."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation_ch7.traffic.signal.timing import SignalTimes
from validation_ch7.traffic.signal.two_phase import EAST_WEST, NORTH_SOUTH, TwoPhaseSignal

MIN, YELLOW, ALL_RED, MAX = 5, 3, 2, 20
CHANGE = YELLOW + ALL_RED
USED, LOST = 2, 1
PLAIN = SignalTimes(min_green_steps=MIN, yellow_steps=YELLOW, all_red_steps=ALL_RED, max_green_steps=MAX)
REAL = SignalTimes(
    min_green_steps=MIN,
    yellow_steps=YELLOW,
    all_red_steps=ALL_RED,
    max_green_steps=MAX,
    yellow_used_steps=USED,
    start_up_lost_steps=LOST,
)


def new_signal(batch: int = 1, times: SignalTimes = PLAIN) -> TwoPhaseSignal:
    return TwoPhaseSignal(batch=batch, times=times)


def pass_steps(signal: TwoPhaseSignal, n_steps: int) -> None:
    for _ in range(n_steps):
        signal.advance()


def test_the_signal_starts_with_green_for_north_and_south() -> None:
    signal = new_signal()
    assert signal.phase[0] == NORTH_SOUTH
    assert signal.gate().tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_request_before_the_minimum_green_is_ignored() -> None:
    signal = new_signal()
    pass_steps(signal, MIN - 1)
    signal.request(np.array([EAST_WEST]))
    assert signal.phase[0] == NORTH_SOUTH and signal.n_switches[0] == 0
    pass_steps(signal, 1)
    signal.request(np.array([EAST_WEST]))
    assert signal.phase[0] == EAST_WEST and signal.n_switches[0] == 1


@pytest.mark.parametrize(
    ("first_phase", "after"), [(NORTH_SOUTH, [0.0, 0.0, 1.0, 1.0]), (EAST_WEST, [1.0, 1.0, 0.0, 0.0])]
)
def test_every_stop_line_is_closed_for_the_change_interval(first_phase: int, after: list[float]) -> None:
    signal = new_signal()
    signal.phase[:] = first_phase
    pass_steps(signal, MIN)
    signal.request(np.array([1 - first_phase]))
    gates = []
    for _ in range(CHANGE + 1):
        gates.append(signal.gate().tolist())
        signal.advance()
    assert gates[:CHANGE] == [[0.0] * 4] * CHANGE
    assert gates[CHANGE] == after


def test_gates_stay_open_in_the_used_yellow_and_closed_in_the_start_up_loss() -> None:
    signal = new_signal(times=REAL)
    pass_steps(signal, MIN)
    signal.request(np.array([EAST_WEST]))
    passing, yellow = [], []
    for _ in range(CHANGE + LOST + 1):
        passing.append(signal.gate().tolist())
        yellow.append(bool(signal.is_yellow()[0]))
        signal.advance()
    closed, north_south, east_west = [0.0] * 4, [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]
    assert passing == [north_south] * USED + [closed] * (CHANGE - USED + LOST) + [east_west]
    assert yellow == [True] * YELLOW + [False] * (ALL_RED + LOST + 1)
    assert REAL.lost_steps == CHANGE - USED + LOST


def test_a_request_for_the_current_phase_changes_nothing() -> None:
    signal = new_signal()
    pass_steps(signal, MIN + 2)
    signal.request(np.array([NORTH_SOUTH]))
    assert signal.green_steps[0] == MIN + 2 and signal.n_switches[0] == 0


def test_a_request_within_the_change_interval_is_ignored() -> None:
    signal = new_signal()
    pass_steps(signal, MIN)
    signal.request(np.array([EAST_WEST]))
    signal.advance()
    signal.request(np.array([NORTH_SOUTH]))
    assert signal.phase[0] == EAST_WEST and signal.change_steps_left[0] == CHANGE - 1


def test_the_maximum_green_forces_a_change_and_is_counted_as_forced() -> None:
    signal = new_signal()
    pass_steps(signal, MAX - 1)
    assert signal.phase[0] == NORTH_SOUTH
    pass_steps(signal, 1)
    assert signal.phase[0] == EAST_WEST
    assert signal.n_switches[0] == signal.n_forced_switches[0] == 1


@pytest.mark.parametrize("phases", [[2], [-1], [0, 1]])
def test_a_phase_that_does_not_exist_is_refused(phases: list[int]) -> None:
    with pytest.raises(ValueError, match="phases"):
        new_signal().request(np.array(phases))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"min_green_steps": 0}, "min_green"),
        ({"min_green_steps": MAX + 1}, "min_green"),
        ({"yellow_steps": 0}, "yellow"),
        ({"all_red_steps": -1}, "all_red"),
        ({"yellow_used_steps": YELLOW + 1}, "yellow_used"),
        ({"start_up_lost_steps": MIN}, "start_up_lost"),
    ],
    ids=str,
)
def test_invalid_signal_times_are_refused_by_name(change: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        replace(REAL, **change)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), max_size=80),
    st.integers(0, 80),
    st.sampled_from([PLAIN, REAL]),
)
def test_greens_are_never_too_short_or_too_long_and_never_conflict(
    requests: list[list[int]], cut: int, times: SignalTimes
) -> None:
    signal = new_signal(3, times)
    effective = (
        times.yellow_used_steps - times.start_up_lost_steps
    )  # steps by which the gate is open longer than the green
    green_so_far = np.zeros(3, dtype=int)
    for step, phases in enumerate(requests):
        if step == cut:  # a restored signal must continue unchanged
            state, signal = signal.get_state(), new_signal(3, times)
            signal.set_state(state)
        signal.request(np.array(phases))
        north, south, east, west = signal.gate().reshape(4, 3)
        assert (north == south).all() and (east == west).all() and (north * east == 0.0).all()
        is_green = north + east > 0
        ended = (green_so_far > 0) & ~is_green
        assert (green_so_far[ended] >= MIN + effective).all()
        green_so_far = np.where(is_green, green_so_far + 1, 0)
        assert (green_so_far <= MAX + effective).all()
        signal.advance()


def test_a_state_of_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="state"):
        new_signal(batch=2).set_state(new_signal(batch=3).get_state())
    with pytest.raises(ValueError, match="keys"):
        new_signal().set_state({})
