"""Other demand and other drivers: the ranges of `traffic/parameters.yaml`, changed."""

from __future__ import annotations

from validation_ch7.section_7_7_robustness.conditions.family import Family
from validation_ch7.traffic.env.scenarios import Draw
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import DemandRanges, Scenario, ScenarioAddress, draw_scenario


def heavier(severity: float) -> DemandRanges:
    """All flows, base and peak, times 1 + severity."""
    usual, factor = DemandRanges(), 1.0 + severity
    base, peak = usual.base_veh_h, usual.peak_veh_h
    return DemandRanges(
        base_veh_h=(base[0] * factor, base[1] * factor), peak_veh_h=(peak[0] * factor, peak[1] * factor)
    )


def uneven(severity: float) -> DemandRanges:
    """The factor of each approach from a range that is wider by the severity at both ends; its mean stays 1."""
    low, high = DemandRanges().direction_factor
    return DemandRanges(direction_factor=(low - severity, high + severity))


def slower_drivers(severity: float) -> DemandRanges:
    """The attribute of arriving drivers, a share of the free speed, from a range that begins lower by the severity."""
    low, high = DemandRanges().w_share
    return DemandRanges(w_share=(low - severity, high))


def drawn_from(ranges: DemandRanges) -> Draw:
    """Draws scenarios with this demand."""

    def draw(address: ScenarioAddress, settings: EnvironmentSettings) -> Scenario:
        return draw_scenario(address, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s, ranges=ranges)

    return draw


FAMILIES = (
    Family(
        name="heavier_demand",
        title="Heavier demand",
        severity="additional flow (share of the nominal flow)",
        draw=lambda severity: drawn_from(heavier(severity)),
    ),
    Family(
        name="uneven_demand",
        title="Uneven demand",
        severity="widening of the range of an approach's factor",
        draw=lambda severity: drawn_from(uneven(severity)),
    ),
    Family(
        name="driver_mix",
        title="Slower drivers in the mix",
        severity="lowest w below the nominal 0.8 vf (share of vf)",
        draw=lambda severity: drawn_from(slower_drivers(severity)),
    ),
)
