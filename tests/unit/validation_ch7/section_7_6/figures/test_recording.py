"""A trace records the evaluation: the same delays, conserved vehicles, and lamps that fit the flows."""

import numpy as np
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.trivial import RandomController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.figures.recording import GREEN, RED, YELLOW, Trace, record
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import ScenarioAddress, Split

ENVIRONMENT = {"episode_s": 240.0}
SETTINGS = EnvironmentSettings.from_mapping(ENVIRONMENT)


def recorded(controller: Controller, index: int = 2) -> Trace:
    return record(controller, settings=SETTINGS, address=ScenarioAddress(split=Split.TEST, index=index))


@pytest.mark.parametrize("controller", [FixedTimeController(18, 22), RandomController(0)], ids=["plan", "random"])
def test_a_trace_ends_with_the_evaluated_delay(controller: Controller) -> None:
    hours = evaluate(controller, environment=ENVIRONMENT, split=Split.TEST, n_scenarios=4)
    run = recorded(controller)
    assert run.delay_s_per_veh()[-1] == pytest.approx(hours.delay_s_per_veh[2], rel=1e-12)
    assert run.delay_s_per_veh()[0] == 0.0


def test_vehicles_pass_at_green_and_never_at_red() -> None:
    run = recorded(FixedTimeController(18, 22))
    passed = np.diff(run.passed_veh(SETTINGS.traffic.n_cells), axis=0)
    assert passed.min() > -1e-9 and passed.sum() > 5.0
    lamps = run.lamps[:, [0, 0, 1, 1]]
    assert np.abs(passed[lamps == RED]).max() < 1e-9
    assert passed[lamps == YELLOW].sum() > 0.0  # vehicles use the first part of the yellow


def test_lamps_follow_the_plan() -> None:
    run = recorded(FixedTimeController(18, 22))
    seconds = run.lamps[::2]
    assert [*seconds[:18, 0]] == [GREEN] * 18 and [*seconds[18:21, 0]] == [YELLOW] * 3
    assert [*seconds[21:44, 0]] == [RED] * 23
    assert [*seconds[:22, 1]] == [RED] * 22 and [*seconds[22:44, 1]] == [GREEN] * 22
    all_red = (run.lamps == RED).all(axis=1)
    assert ((run.lamps != RED).sum(axis=1)[~all_red] == 1).all()
    assert [*np.flatnonzero(all_red)[:4]] == [42, 43, 94, 95]  # indices of half seconds
