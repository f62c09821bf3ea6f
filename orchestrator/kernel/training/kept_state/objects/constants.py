"""Values of the standard library that never change, as the arguments that build them."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

_Arguments = Callable[[Any], tuple[Any, ...]]


def _moment(value: datetime.datetime) -> tuple[Any, ...]:
    return (*value.timetuple()[:6], value.microsecond)


_DATE: dict[type, _Arguments] = {
    datetime.timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    datetime.date: lambda value: (value.year, value.month, value.day),
    datetime.datetime: _moment,
}
_ARGUMENTS: dict[type, _Arguments] = {
    range: lambda value: (value.start, value.stop, value.step),
    slice: lambda value: (value.start, value.stop, value.step),
    decimal.Decimal: lambda value: (str(value),),
    fractions.Fraction: lambda value: (value.numerator, value.denominator),
    uuid.UUID: lambda value: (value.hex,),
    pathlib.PosixPath: lambda value: (str(value),),
    pathlib.WindowsPath: lambda value: (str(value),),
    pathlib.PurePosixPath: lambda value: (str(value),),
    pathlib.PureWindowsPath: lambda value: (str(value),),
    **_DATE,
}
_KINDS = {kind.__name__: kind for kind in _ARGUMENTS}


def arguments_of(value: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Name and arguments of a constant, None for other values."""
    kind = type(value)
    if kind not in _ARGUMENTS or (kind is datetime.datetime and (value.tzinfo is not None or value.fold)):
        return None
    return kind.__name__, _ARGUMENTS[kind](value)


def build_constant(name: str, arguments: list[Any]) -> Any:
    """The constant of a name and its arguments."""
    return _KINDS[name](*arguments)
