"""The classical controllers, each tuned once on nominal demand, as section 7.6 tunes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES, Family
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning, tune

_KNOWS_THE_FUTURE = "webster"
"""Left out: it computes its plan from the vehicles that will arrive, of the nominal demand at the same address."""


def families_of(names: tuple[str, ...]) -> Mapping[str, Family]:
    """The families of controllers with these names, in the order of section 7.6; all of them without a name.

    Raises:
        ValueError: Section 7.6 has no such controller; the message names those that it has.
    """
    known = {family.name: family for family in TUNED_FAMILIES if family.name != _KNOWS_THE_FUTURE}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"study.controllers names {', '.join(unknown)}; known are {', '.join(known)}")
    return {name: family for name, family in known.items() if name in names or not names}


def tuned(
    family: Family,
    before: Mapping[str, Tuning],
    *,
    environment: Mapping[str, float],
    n_scenarios: int,
    kept: KeptResults,
) -> Tuning:
    """Choose a family's parameters; those of a family that improves another one are the other's.

    Args:
        family: The controllers.
        before: The families that are tuned already, by name.
        environment: The crossing.
        n_scenarios: Number of tuning scenarios.
        kept: Results of earlier sessions.
    """
    base = getattr(family, "base", None)  # the name of the improved family, where section 7.6 has such controllers
    wanted = family if base is None else replace(family, grid=(before[base].chosen,))
    return tune(wanted, environment=environment, n_scenarios=n_scenarios, kept=kept)
