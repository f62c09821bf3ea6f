"""The settings with which the tests examine the solver: the card's criteria on small grids."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import yaml

from orchestrator.kernel.schema import read
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.road.reference import reference_road
from validation_ch7.section_7_3_analytical.schema import Schema
from validation_ch7.traffic.env.settings import EnvironmentSettings

CARD = Path(__file__).parents[4] / "configs/sections/section_7_3.yaml"


@functools.cache
def own_keys() -> Schema:
    plain = yaml.safe_load(CARD.read_text(encoding="utf-8"))
    return read(Schema, {name: plain[name] for name in ("environment", "study", "criteria")}, place="")


def kernel_setting() -> Setting:
    """The compiled solver on the grids of the quick profile, and one hour."""
    own = own_keys()
    crossing = EnvironmentSettings.from_mapping(dataclasses.asdict(own.environment))
    return Setting(crossing=crossing, cells=own.study.cells["quick"], hours=1, criteria=own.criteria)


def reference_setting() -> Setting:
    """The readable solver alone: the comparison of the two cannot detect its faults, the physics must."""
    return dataclasses.replace(kernel_setting(), solver=reference_road, reference=reference_road)
