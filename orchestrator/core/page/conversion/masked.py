"""A page without secrets: every text passes through a mask, also names of numbers and of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

from orchestrator.core.page.page import Page, Picture
from orchestrator.core.secret_lines import hide_spread


def masked_page(page: Page, mask: Callable[[str], str]) -> Page:
    """The page with every text masked. Pictures are left as they are: the texts of an SVG are masked when it is read.

    Args:
        mask: Hides the secrets in a text.
    """
    # Masked together first, which is far faster for thousands of trainings: nearly always nothing is found.
    joined = "\n".join(dict.fromkeys(_texts(page)))
    return page if mask(joined) == joined else _masked(page, cache(mask))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            if not (isinstance(value, Picture) and one.name == "data"):
                yield from _texts(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from _texts(one)
    elif isinstance(value, tuple) and value and not isinstance(value[0], int | float):
        for one in value:
            yield from _texts(one)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else mask(value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"data"} if isinstance(value, Picture) else set()
        names = [one.name for one in fields(value) if one.name not in kept]
        return replace(value, **{name: _masked(getattr(value, name), mask) for name in names})
    if isinstance(value, Mapping):
        return {mask(name): _masked(one, mask) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_masked(one, mask) for one in hide_spread(value, mask))
    return value
