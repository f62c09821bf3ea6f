"""Values of the standard library, numpy and torch that never change, as the arguments that build them."""

from __future__ import annotations

import datetime
import decimal
import fractions
import importlib
import pathlib
import re
import sys
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
    re.Pattern: lambda value: (value.pattern, value.flags),
    uuid.UUID: lambda value: (value.hex,),
    pathlib.PosixPath: lambda value: (str(value),),
    pathlib.WindowsPath: lambda value: (str(value),),
    pathlib.PurePosixPath: lambda value: (str(value),),
    pathlib.PureWindowsPath: lambda value: (str(value),),
    **_DATE,
}
_BUILD: dict[str, Callable[..., Any]] = {
    **{kind.__name__: kind for kind in _ARGUMENTS},
    "Pattern": re.compile,
    "numpy.dtype": lambda text: importlib.import_module("numpy").dtype(text),
    "torch.dtype": lambda text: getattr(importlib.import_module("torch"), text.removeprefix("torch.")),
    "torch.device": lambda text: importlib.import_module("torch").device(text),
}


def arguments_of(value: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Name and arguments of a constant, None for other values."""
    kind = type(value)
    if kind is datetime.datetime and (value.tzinfo is not None or value.fold):
        return None
    if kind in _ARGUMENTS:
        return kind.__name__, _ARGUMENTS[kind](value)
    numpy: Any = sys.modules.get("numpy")
    torch: Any = sys.modules.get("torch")
    if hasattr(numpy, "dtype") and isinstance(value, numpy.dtype):
        return None if value.names is not None else ("numpy.dtype", (value.str,))
    for name in ("dtype", "device"):
        if isinstance(value, getattr(torch, name, ())):
            return f"torch.{name}", (str(value),)
    return None


def build_constant(name: str, arguments: list[Any]) -> Any:
    """The constant of a name and its arguments."""
    return _BUILD[name](*arguments)
