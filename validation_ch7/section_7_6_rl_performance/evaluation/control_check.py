"""Checks before any training that the control affects the traffic.

With a signal that no vehicle obeys, or an observation that does not depend on traffic, a training would run for hours
and still give numbers. This check finds both faults in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env.senses import senses_of
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios
from validation_ch7.traffic.signal.two_phase import EAST_WEST, NORTH_SOUTH

_SCENARIOS = 2
_WATCHED_S = 600.0
# Far above rounding differences, far below the effect of a signal that vehicles obey.
_LEAST_DIFFERENCE = 1e-3


def control_faults(environment: Mapping[str, object]) -> tuple[str, ...]:
    """Simulate the same scenarios under opposite controls, and report what did not differ.

    Args:
        environment: The `environment` block of a section's card.

    Returns:
        Why nothing could be learned, one sentence each; empty if the control has an effect that can be observed.
    """
    settings = EnvironmentSettings.from_mapping(environment)
    delays, seen = zip(*(_simulate(phase, settings) for phase in (NORTH_SOUTH, EAST_WEST)), strict=True)
    return tuple(_faults(delays, seen))


def _faults(delays: tuple[Floats, ...], seen: tuple[npt.NDArray[np.float32], ...]) -> Iterator[str]:
    one, other = delays
    differ = np.abs(one - other) > _LEAST_DIFFERENCE * np.maximum(one, other)
    if not differ.all():
        yield (
            f"The control has no effect: in the same scenarios the delay is {one.tolist()} vehicle-seconds with"
            f" constant requests for north-south and {other.tolist()} with constant requests for east-west."
        )
    first, last = seen[0][:, 0], seen[0][:, -1]
    if np.array_equal(first, last):
        yield "The observation does not change with traffic: a policy would be blind."
    elif np.array_equal(seen[0], seen[1]):
        yield "The observation is the same under opposite controls: a policy could not see the effect of its actions."


def _simulate(phase: int, settings: EnvironmentSettings) -> tuple[Floats, npt.NDArray[np.float32]]:
    """Delay of each scenario in vehicle-seconds, and the observations, shape (scenarios, decisions, features)."""
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(_SCENARIOS)]
    scenarios = draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
    simulation = CrossingSimulation(settings, scenarios)
    decisions = min(settings.decisions_per_episode, max(1, round(_WATCHED_S / settings.decision_s)))
    seen = []
    for _ in range(decisions):
        simulation.request(np.full(_SCENARIOS, phase, dtype=np.int64))
        simulation.advance(settings.steps("decision_s"))
        seen.append(senses_of(settings).observe(simulation))
    return simulation.traffic.delay_veh_s(), np.stack(seen, axis=1)
