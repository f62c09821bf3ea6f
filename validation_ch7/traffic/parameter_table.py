"""Reads the constants of the model, with their units and sources, from `parameters.yaml`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any

import yaml

_FILE = "parameters.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One constant.

    Attributes:
        value: A number, or the two ends of a range, in `unit`.
        unit: E.g. `m/s`; `1` for a ratio.
        meaning: One sentence.
        source: Source of the value; if it was chosen here, the reason.
    """

    value: float | tuple[float, float]
    unit: str
    meaning: str
    source: str


@functools.cache
def parameter_table() -> Mapping[str, Mapping[str, Parameter]]:
    """Group -> name -> constant.

    Raises:
        ValueError: An entry has a missing or unknown field; the message names the entry.
    """
    text = resources.files(__package__).joinpath(_FILE).read_text("utf-8")
    return {
        group: {name: _parameter(f"{group}.{name}", entry) for name, entry in entries.items()}
        for group, entries in yaml.safe_load(text).items()
    }


def number(group: str, name: str) -> float:
    """The value of a constant that is a number.

    Raises:
        ValueError: It is a range.
    """
    value = parameter_table()[group][name].value
    if isinstance(value, tuple):
        raise ValueError(f"{group}.{name} of {_FILE} is a range, not a number")
    return value


def ends(group: str, name: str) -> tuple[float, float]:
    """The value of a constant that is a range.

    Raises:
        ValueError: It is a number.
    """
    value = parameter_table()[group][name].value
    if not isinstance(value, tuple):
        raise ValueError(f"{group}.{name} of {_FILE} is a number, not a range")
    return value


def _parameter(place: str, entry: Mapping[str, Any]) -> Parameter:
    known = {field.name for field in fields(Parameter)}
    if set(entry) != known or not all(entry[name] for name in known - {"value"}):
        raise ValueError(f"{place} of {_FILE} must have {', '.join(sorted(known))}")
    value = entry["value"]
    read = tuple(map(float, value)) if isinstance(value, list) else float(value)
    if isinstance(read, tuple) and (len(read) != 2 or read[0] > read[1]):
        raise ValueError(f"{place} of {_FILE} must be a number or the two ends of a range, not {value}")
    return Parameter(**{**entry, "value": read})
