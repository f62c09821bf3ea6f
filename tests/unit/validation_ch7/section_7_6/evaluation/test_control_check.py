"""A signal without effect and an observation without information are found before training."""

from typing import Any

import numpy as np
import pytest

from validation_ch7.section_7_6_rl_performance.evaluation import control_check as controllability
from validation_ch7.section_7_6_rl_performance.evaluation.control_check import control_faults
from validation_ch7.traffic.env.senses import Senses
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal


def test_a_working_crossing_has_no_fault() -> None:
    assert control_faults({}) == ()
    assert control_faults({"episode_s": 120.0}) == ()


def test_a_signal_that_ignores_requests_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoPhaseSignal, "request", lambda self, phases: None)
    faults = control_faults({})
    assert faults and "no effect" in faults[0]


@pytest.mark.parametrize("blindness", ["constant", "same"])
def test_an_observation_without_information_is_reported(monkeypatch: pytest.MonkeyPatch, blindness: str) -> None:
    def blind(simulation: Any) -> np.ndarray:
        value = 1.0 if blindness == "constant" else simulation.steps_done
        return np.full((simulation.batch, 15), value, dtype=np.float32)

    senses = Senses(n_features=15, observe=blind, relative=False)
    monkeypatch.setattr(controllability, "senses_of", lambda settings: senses)
    (fault,) = control_faults({})
    assert "observation" in fault and ("blind" in fault) == (blindness == "constant")
