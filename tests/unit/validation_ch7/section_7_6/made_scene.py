"""An invented scene: two minutes of a crossing with three cells per link, with every number known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from validation_ch7.section_7_6_rl_performance.figures.recording import GREEN, RED, YELLOW, Trace
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import ScenarioAddress, Split

SETTINGS = EnvironmentSettings.from_mapping({"episode_s": 120.0, "link_length_m": 30.0})
STAMP = "run run-7 session 3 nonce abc123 spec 0123456789ab bundle 0123456789ab"
N_STEPS = 240


def run_of(controller: str, *, jam_veh_m: float) -> Trace:
    """One vehicle every 2 s from the west, none elsewhere; a queue in the last cell of every approach.

    North-south is green for 40 s, then changes for 4 s, then east-west is green.
    """
    density = np.zeros((N_STEPS + 1, 8, 3))
    density[1:, :4, 2] = jam_veh_m
    arrived = np.zeros((N_STEPS + 1, 4))
    arrived[:, 3] = np.arange(N_STEPS + 1) * 0.25
    lamps = np.full((N_STEPS, 2), RED, dtype=np.int8)
    lamps[:80, 0], lamps[80:88, 0], lamps[88:, 1] = GREEN, YELLOW, GREEN
    return Trace(
        controller=controller,
        address=ScenarioAddress(split=Split.TEST, index=17),
        settings=SETTINGS,
        density_veh_m=density,
        queue_veh=np.zeros((N_STEPS + 1, 4)),
        arrived_veh=arrived,
        delay_veh_s=arrived.sum(axis=1) * jam_veh_m * 100.0,
        lamps=lamps,
    )


def scene() -> Scene:
    """A scene in which the policy has shorter queues than the fixed-time plan."""
    return Scene(policy=run_of("rl", jam_veh_m=0.03), other=run_of("fixed_time", jam_veh_m=0.15))


def spoilt_scene() -> Scene:
    """A scene in which the policy's run is NaN, as after a failed solver."""
    valid = scene()
    nan_density = np.full_like(valid.policy.density_veh_m, np.nan)
    failed = replace(
        valid.policy,
        density_veh_m=nan_density,
        delay_veh_s=valid.policy.delay_veh_s * np.nan,
        queue_veh=valid.policy.queue_veh * np.nan,
    )
    return Scene(policy=failed, other=valid.other)


def words(figure: Figure) -> str:
    """All texts of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))
