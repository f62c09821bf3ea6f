"""Rollout: its predictions are those of the model, know nothing of the future, and do not depend on the batch."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from validation_ch7.section_7_6_rl_performance.controllers import look_ahead
from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases
from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead, predicted_delays_veh_s
from validation_ch7.section_7_6_rl_performance.controllers.rollout import RolloutController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.traffic.crossing import prediction
from validation_ch7.traffic.env.detectors import by_axis, upstream_veh
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenarios

SETTINGS = EnvironmentSettings(episode_s=900.0)
LOOK = LookAhead(gap_s=1.75, max_green_s=60.0)
BASE = ActuatedController(gap_s=1.75, max_green_s=60.0)


def scenarios(n: int, first: int = 0) -> list[Scenario]:
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(first, first + n)]
    # The first minutes of an hour have little traffic; half as many again queue.
    return [
        replace(one, arrivals_veh=1.5 * one.arrivals_veh)
        for one in draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    ]


def simulated(drawn: list[Scenario], duration_s: float, settings: EnvironmentSettings = SETTINGS) -> CrossingSimulation:
    """Crossings after this time under actuated control."""
    batch = CrossingSimulation(settings, drawn)
    for _ in range(round(duration_s)):
        batch.request(BASE.decide(batch))
        batch.advance(2)
    return batch


def test_the_prediction_equals_the_simulation_if_arrivals_stay_at_their_mean() -> None:
    """Constant arrivals are their own mean, so the model itself can follow every plan, in double precision."""
    arrivals = np.repeat([[2.0], [1.0], [2.5], [0.7]], 90, axis=1)
    w_in = np.full((4, 90), 0.9 * SETTINGS.traffic.vf_m_s)
    steady = [Scenario(address=scenarios(1)[0].address, arrivals_veh=arrivals, w_in_m_s=w_in)] * LOOK.n_candidates
    batch = simulated(steady, 300)  # one crossing for each candidate; all are equal so far
    for _ in range(8):
        predicted = predicted_delays_veh_s(batch, LOOK)
        assert predicted.shape == (LOOK.n_candidates,) * 2 and (predicted == predicted[0]).all()
        copy = CrossingSimulation(SETTINGS, steady)
        copy.set_state(batch.get_state())
        assert predicted[0] == pytest.approx(_delays_of_plans(copy), rel=2e-4)
        batch.request(BASE.decide(batch))
        batch.advance(8)


def test_the_cost_of_long_waits_is_that_of_the_simulation() -> None:
    """The squared mean delay of each approach's vehicles, times their number, beside the delay itself."""
    arrivals = np.repeat([[2.0], [1.0], [2.5], [0.2]], 90, axis=1)
    steady = [
        Scenario(address=scenarios(1)[0].address, arrivals_veh=arrivals, w_in_m_s=np.full((4, 90), 12.5))
    ] * LOOK.n_candidates
    batch = simulated(steady, 300)
    fair = replace(LOOK, fairness_weight=0.25)
    for _ in range(4):
        added = (predicted_delays_veh_s(batch, fair) - predicted_delays_veh_s(batch, LOOK))[0]
        copy = CrossingSimulation(SETTINGS, steady)
        copy.set_state(batch.get_state())
        vehicles = upstream_veh(copy) + arrivals[:, 0] * LOOK.horizon_s / 10.0
        before_veh_s = _approach_delay_veh_s(copy)
        _delays_of_plans(copy)
        delay_veh_s = _approach_delay_veh_s(copy) - before_veh_s
        assert added == pytest.approx(0.25 * (delay_veh_s**2 / (vehicles + 1.0)).sum(axis=1), rel=1e-3)
        batch.request(BASE.decide(batch))
        batch.advance(8)


def _approach_delay_veh_s(batch: CrossingSimulation) -> Floats:
    """Delay before each stop line so far, shape (batch, 4)."""
    traffic, lanes = batch.traffic, 4 * batch.batch
    driving = traffic.time_veh_s[:lanes] - traffic.distance_veh_m[:lanes] / traffic.parameters.vf_m_s
    delay_veh_s: Floats = (driving + traffic.queue_time_veh_s).reshape(4, -1).T
    return delay_veh_s


def _delays_of_plans(batch: CrossingSimulation) -> Floats:
    """Delay within the horizon if crossing `i` follows candidate `i`, shape (candidates,), vehicle-seconds."""
    before_veh_s, was = batch.traffic.delay_veh_s(), batch.signal.phase.copy()
    plan_s = np.array([*LOOK.delays_s, np.nan])
    for second in range(round(LOOK.horizon_s)):
        plan_s[batch.signal.phase != was] = np.nan  # its own change is over
        planned = np.where(second >= plan_s, 1 - was, was)
        batch.request(np.where(np.isnan(plan_s), BASE.decide(batch), planned))
        batch.advance(2)
    return batch.traffic.delay_veh_s() - before_veh_s


def decisions(drawn: list[Scenario], until_s: int) -> list[tuple[list[int], bytes]]:
    """Requests and predictions of rollout, second by second."""
    batch, controller = CrossingSimulation(SETTINGS, drawn), RolloutController(SETTINGS, LOOK)
    controller.begin(batch.addresses)
    made = []
    for _ in range(until_s):
        phases = controller.decide(batch)
        made.append((phases.tolist(), predicted_delays_veh_s(batch, LOOK).tobytes()))
        batch.request(phases)
        batch.advance(2)
    return made


def test_arrivals_that_are_still_to_come_change_no_decision() -> None:
    """The future is replaced from the 16th bin on; a change of the past must show, or the test proves nothing."""

    def changed(first_bin: int) -> list[Scenario]:
        def other(values: Floats, value: float) -> Floats:
            copy = values.copy()
            copy[:, first_bin:] = value
            return copy

        return [
            replace(one, arrivals_veh=other(one.arrivals_veh, 4.0), w_in_m_s=other(one.w_in_m_s, 11.2))
            for one in scenarios(3)
        ]

    known = decisions(scenarios(3), 151)
    assert known == decisions(changed(15), 151)
    assert known != decisions(changed(14), 151)
    assert len({tuple(phases) for phases, _ in known}) > 2


def test_a_prediction_does_not_depend_on_the_batch_the_blocks_or_the_other_crossings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = simulated(scenarios(37), 151)
    expected = predicted_delays_veh_s(together, LOOK)
    assert expected.shape == (37, LOOK.n_candidates) and np.isfinite(expected).all()
    for first, n in ((0, 1), (5, 3), (33, 4)):
        alone = predicted_delays_veh_s(simulated(scenarios(n, first), 151), LOOK)
        assert alone.tobytes() == expected[first : first + n].tobytes()
    where = np.arange(37) % 3 == 1
    some = predicted_delays_veh_s(together, LOOK, where)
    assert np.isnan(some[~where]).all() and some[where].tobytes() == expected[where].tobytes()
    monkeypatch.setattr(prediction, "_WIDEST", 7)
    with ThreadPoolExecutor(max_workers=3) as pool:
        assert predicted_delays_veh_s(together, LOOK, pool=pool).tobytes() == expected.tobytes()
    assert predicted_delays_veh_s(together, LOOK).tobytes() == expected.tobytes()


def test_a_prediction_leaves_the_simulation_as_it_is() -> None:
    batch = simulated(scenarios(2), 200)
    before = repr(batch.get_state())
    predicted_delays_veh_s(batch, LOOK)
    RolloutController(SETTINGS, LOOK).decide(batch)
    assert repr(batch.get_state()) == before


def test_nothing_is_predicted_where_the_signal_must_not_change_or_no_vehicle_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[list[int]] = []
    predict = prediction.predict_delays

    def counted(*args: Any, chosen: Phases, **rest: Any) -> Floats:
        rows.append(chosen.tolist())
        return predict(*args, chosen=chosen, **rest)

    monkeypatch.setattr(look_ahead, "predict_delays", counted)
    empty = CrossingSimulation(SETTINGS, [replace(one, arrivals_veh=0.0 * one.arrivals_veh) for one in scenarios(4)])
    empty.advance(60)
    assert RolloutController(SETTINGS, LOOK).decide(empty).tolist() == [0] * 4 and rows == []
    busy = simulated(scenarios(4), 300)
    busy.request(np.where([True, True, False, False], 1 - busy.signal.phase, busy.signal.phase))
    busy.advance(4)
    young = busy.signal.green_steps < busy.signal.times.min_green_steps
    RolloutController(SETTINGS, LOOK).decide(busy)
    assert young[:2].all() and rows and not set(np.flatnonzero(young)) & {number for row in rows for number in row}


@pytest.mark.parametrize("decision_s", [2.0, 5.0])
def test_the_card_s_decision_interval_changes_nothing(decision_s: float) -> None:
    def delay_s(environment: dict[str, object]) -> bytes:
        controller = RolloutController(EnvironmentSettings.from_mapping(environment), LOOK)
        result = evaluate(controller, environment=environment, split=Split.TUNING, n_scenarios=2)
        return result.delay_s_per_veh.tobytes()

    assert delay_s({"episode_s": 600.0, "decision_s": decision_s}) == delay_s({"episode_s": 600.0})


def test_rollout_follows_actuated_control_where_no_plan_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal predictions, every request is that of actuated control where a choice is open."""
    monkeypatch.setattr(
        "validation_ch7.section_7_6_rl_performance.controllers.rollout.predicted_delays_veh_s",
        lambda simulation, look, where, pool: np.ones((simulation.batch, look.n_candidates)),
    )
    controller, batch = RolloutController(SETTINGS, LOOK), simulated(scenarios(20), 302)
    while not (BASE.decide(batch) != batch.signal.phase)[batch.signal.green_steps >= 12].any():
        batch.advance(4)
    allowed = batch.signal.green_steps >= batch.signal.times.min_green_steps
    expected = BASE.decide(batch)
    assert (controller.decide(batch)[allowed] == expected[allowed]).all()
    assert (expected != batch.signal.phase)[allowed].any()


def test_rollout_follows_the_best_of_all_plans_though_it_does_not_predict_them_all() -> None:
    batch, controller = simulated(scenarios(20), 100), RolloutController(SETTINGS, LOOK)
    switched = {True: 0, False: 0}
    for _ in range(150):
        signal, phases = batch.signal, controller.decide(batch)
        possible = signal.green_steps >= signal.times.min_green_steps
        delays_veh_s = predicted_delays_veh_s(batch, LOOK)
        base_wants = BASE.decide(batch) != signal.phase
        ns_veh, ew_veh = by_axis(upstream_veh(batch))
        for place in np.flatnonzero(possible & (np.where(signal.phase == 0, ew_veh, ns_veh) > 0.5)):
            plans = delays_veh_s[place]
            base_is_best = plans[-1] <= plans[:-1].min()
            assert not base_wants[place] or plans[-1] == plans[0]
            expected = base_wants[place] if base_is_best else np.argmin(plans[:-1]) == 0
            assert (phases[place] != signal.phase[place]) == expected
            switched[bool(expected)] += 1
        batch.request(phases)
        batch.advance(4)
    assert min(switched.values()) > 100


def test_single_predictions_equal_those_of_all_candidates() -> None:
    batch = simulated(scenarios(9), 151)
    every = predicted_delays_veh_s(batch, LOOK)
    where = np.random.default_rng(0).random(every.shape) < 0.4
    some = predicted_delays_veh_s(batch, LOOK, where)
    assert where.any(axis=0).all() and some[where].tobytes() == every[where].tobytes() and np.isnan(some[~where]).all()


def test_the_recent_inflow_is_the_mean_of_the_past_alone() -> None:
    (scenario,) = scenarios(1)
    batch = CrossingSimulation(SETTINGS, [scenario])
    assert batch.recent_inflow(240.0)[0].tolist() == [[0.0]] * 4
    batch.advance(650)  # 325 s: half of the 33rd bin
    arrivals_veh, w_in = batch.recent_inflow(240.0)
    weights = np.zeros(90)
    weights[9:32], weights[8], weights[32] = 20.0, 10.0, 10.0
    assert arrivals_veh[:, 0] == pytest.approx((scenario.arrivals_veh / 20.0) @ weights / 480.0)
    assert w_in[:, 0] == pytest.approx(scenario.w_in_m_s @ weights / 480.0)


@pytest.mark.parametrize(
    "build",
    [
        lambda: LookAhead(gap_s=0.0, max_green_s=60.0),
        lambda: LookAhead(gap_s=1.5, max_green_s=60.0, horizon_s=-1.0),
        lambda: LookAhead(gap_s=1.5, max_green_s=60.0, delays_s=()),
        lambda: LookAhead(gap_s=1.5, max_green_s=60.0, delays_s=(-1.0,)),
        lambda: RolloutController(SETTINGS, LOOK, look_every_s=0.0),
        lambda: RolloutController(SETTINGS, replace(LOOK, delays_s=(3.0, 0.0))),
    ],
)
def test_impossible_times_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        build()
