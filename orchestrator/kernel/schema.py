"""Reads plain values into a tree of dataclasses: a misspelled key is refused, never replaced by a default."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union

Read = TypeVar("Read")

SETTINGS = "settings"
"""The free block of a card, part of the lineage if it is not empty."""

LINEAGE_KEYS = frozenset({"section", "environment", "algorithm", "network", "hyper_parameters", "seed", SETTINGS})
"""Keys of a lineage that belong to no section's own schema."""

CRITERIA = "criteria"
"""A section's own key that is part of the spec but not of the lineage: the question that its verdict answers."""


def own_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `settings` and of a section's own keys in a ticket's spec, as plain JSON."""
    lineage = spec.get("lineage") or {}
    own = {name: value for name, value in lineage.items() if name not in LINEAGE_KEYS}
    if lineage.get("environment"):  # a section's own key with its own place in the lineage
        own["environment"] = lineage["environment"]
    if spec.get(CRITERIA):
        own[CRITERIA] = spec[CRITERIA]
    return {**(lineage.get(SETTINGS) or {}), **own}


def own_values(schema: type[Read], spec: Mapping[str, Any]) -> Read:
    """A section's own keys, from a ticket's spec.

    Args:
        schema: The dataclass `Schema` of the section's `schema.py`.
        spec: The spec; the own keys are in its lineage, `criteria` beside it.

    Raises:
        ValueError: A key is unknown or missing, or a value does not fit; the message names the key.
    """
    own = {field.name for field in fields(schema)}  # type: ignore[arg-type]  # `Schema` of a section is a dataclass
    found = {name: value for name, value in spec["lineage"].items() if name in own or name not in LINEAGE_KEYS}
    if spec.get(CRITERIA) or CRITERIA in own:
        found[CRITERIA] = spec.get(CRITERIA)
    return read(schema, found, place="")


def read(kind: type[Read], plain: Any, *, place: str) -> Read:
    """Build a dataclass from plain JSON.

    Args:
        place: Place in the spec, for messages; empty for the whole.

    Raises:
        ValueError: A key is unknown or missing, or a value does not fit; the message names it.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"{place} must be a mapping, not {plain!r}")
    check_keys(plain, kind, place=place)
    hints = typing.get_type_hints(kind)
    values = {name: _value(hints[name], value, _join(place, name)) for name, value in plain.items()}
    try:
        return kind(**values)
    except ValueError as fault:
        raise ValueError("\n".join(_placed(line, place) for line in str(fault).splitlines())) from fault
    except (TypeError, ArithmeticError, LookupError, AttributeError) as fault:  # of the section's __post_init__
        raise ValueError(f"{place or kind.__name__}: {type(fault).__name__}: {fault}") from fault


def _placed(line: str, place: str) -> str:
    return line if line.startswith(place) else f"{place}: {line}"


def check_keys(plain: Mapping[str, Any], described_by: type, *, place: str, more: Iterable[str] = ()) -> None:
    """Check for unknown and missing keys.

    Args:
        plain: The mapping to check.
        described_by: The dataclass whose fields are the known keys; fields without a default are required.
        place: Place in the spec, for the message.
        more: Other known keys; they are optional.

    Raises:
        ValueError: A key is unknown or missing. The message names it, and the nearest known key.
    """
    known = [*(field.name for field in fields(described_by)), *more]
    for name in plain:
        if name not in known:
            nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
            hint = f"the nearest known one is {nearest[0]}" if nearest else "no key is known here"
            raise ValueError(f"unknown key {_join(place, name)}; {hint}")
    for field in fields(described_by):
        if field.default is MISSING and field.default_factory is MISSING and field.name not in plain:
            raise ValueError(f"missing key {_join(place, field.name)}")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _value(kind: Any, value: Any, place: str) -> Any:
    """A value as the type of its field.

    Raises:
        ValueError: It does not fit.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_union(arguments, value, place)
    if isinstance(kind, type) and is_dataclass(kind):
        return read(kind, value, place=place)
    if origin is Literal:
        return _of_choices(arguments, value, place)
    if kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if fits else value
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif origin in (list, tuple, Sequence) or kind in (list, tuple):
        return _listed(origin or kind, arguments, value, place)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{place} must be a mapping, not {value!r}")
        return {name: _value(arguments[1], one, _join(place, name)) for name, one in value.items()}
    else:
        fits = kind is Any or isinstance(value, type(None) if kind is None else kind)
    if not fits:
        raise ValueError(f"{place} does not fit {getattr(kind, '__name__', kind)}: {value!r}")
    return value


def _of_choices(choices: tuple[Any, ...], value: Any, place: str) -> Any:
    if not any(value == one and type(value) is type(one) for one in choices):
        raise ValueError(f"{place} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


def _listed(outer: Any, arguments: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{place} must be a list, not {value!r}")
    fixed = outer is tuple and arguments and arguments[-1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        raise ValueError(f"{place} must have {len(arguments)} values, not {len(value)}")
    kinds = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
    items = [_value(kind, one, f"{place}.{index}") for index, (kind, one) in enumerate(zip(kinds, value, strict=True))]
    return tuple(items) if outer is tuple else items


def _of_union(members: tuple[Any, ...], value: Any, place: str) -> Any:
    """The value as the first member that it fits; exact types first, so that 1 stays an int in `int | float`."""
    if type(value) in members:
        return value
    faults = []
    for member in members:
        try:
            return _value(member, value, place)
        except ValueError as fault:
            faults.append(str(fault))
    raise ValueError(max(faults, key=len))
