"""All families, and the conditions of a study."""

from __future__ import annotations

from collections.abc import Mapping

from validation_ch7.section_7_7_robustness.conditions import blocked_lane, demand, detectors
from validation_ch7.section_7_7_robustness.conditions.family import Condition, Family

FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (*demand.FAMILIES, *detectors.FAMILIES, *blocked_lane.FAMILIES)
}


def conditions_of(severities: Mapping[str, tuple[float, ...]]) -> tuple[Condition, ...]:
    """The nominal condition, then every family at every severity, in the order of the card."""
    found = [
        Condition(family=FAMILIES[name], severity=severity)
        for name, values in severities.items()
        for severity in values
    ]
    return (Condition(), *found)
