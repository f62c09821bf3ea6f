"""The classical controllers, each tuned once on nominal demand, as section 7.6 tunes them."""

from __future__ import annotations

from collections.abc import Mapping

from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES, Family

_KNOWS_THE_FUTURE = "webster"
"""Left out: it computes its plan from the vehicles that will arrive, of the nominal demand at the same address."""


def families_of(names: tuple[str, ...]) -> Mapping[str, Family]:
    """The families of controllers with these names, in their order.

    Raises:
        ValueError: Section 7.6 has no such controller; the message names those that it has.
    """
    known = {family.name: family for family in TUNED_FAMILIES if family.name != _KNOWS_THE_FUTURE}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"study.controllers names {', '.join(unknown)}; known are {', '.join(known)}")
    return {name: known[name] for name in names}
