"""Shapes of values from outside: type, range and keys. A shape lists what is wrong, each with its key.

A reader of a file states the shape of its content once and gets typed values, or `Unreadable` with file and key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.kernel.reading.json_text import Unreadable, read_object, shown

MOST_WHOLE = 2**53
"""Largest count: larger JSON numbers are not exact in every reader (RFC 8259, section 6)."""
UNKNOWN = "is unknown to this version"
"""What is wrong with a key that a newer version of this program may have written."""
MOST_CHARS = 1 << 20
"""Longest text."""
_MOST_PATH_CHARS, _MOST_NAME_CHARS = 4096, 255
"""Longest path and longest name that systems accept."""
_HEX = frozenset("0123456789abcdef")

Shape = Callable[[Any], Iterator[tuple[str, str]]]
"""Yields the key below the value, empty for the value itself, and what is wrong there."""


def require(shape: Shape, value: Any, source: str) -> None:
    """Check a value.

    Args:
        source: Name of the file or of the answer, for the error.

    Raises:
        Unreadable: It does not have the shape; the error names the first wrong key.
    """
    for key, why in shape(value):
        raise Unreadable(source, why if key else f"it {why}", key.lstrip("."))


def fits(shape: Shape, value: Any) -> bool:
    """Whether a value has a shape."""
    return next(shape(value), None) is None


def objects_in(folder: Path, pattern: str, shape: Shape) -> Iterator[dict[str, Any]]:
    """The objects of a shape in the files of a folder that match a pattern, by name; other files are left out."""
    for path in sorted(folder.glob(pattern)):
        try:
            value = read_object(path, halves=True)
        except Unreadable:
            continue
        if fits(shape, value):
            yield value


def leaf(words: str, accepts: Callable[[Any], bool]) -> Shape:
    """A value without parts.

    Args:
        words: What it must be, as `a text`.
        accepts: Whether it is one.
    """

    def check(value: Any) -> Iterator[tuple[str, str]]:
        if not accepts(value):
            yield "", f"must be {words}, not {shown(value)}"

    return check


def text(most_chars: int = MOST_CHARS) -> Shape:
    """A text up to a length."""
    return leaf(
        f"a text of at most {most_chars} characters", lambda one: isinstance(one, str) and len(one) <= most_chars
    )


def whole(least: int = 0, most: int = MOST_WHOLE) -> Shape:
    """A whole number in a range."""
    return leaf(f"a whole number from {least} to {most}", lambda one: _is_whole(one) and least <= one <= most)


def one_of(words: Collection[str]) -> Shape:
    """One of some texts."""
    return leaf(f"one of {', '.join(words)}", lambda one: isinstance(one, str) and one in words)


def optional(shape: Shape) -> Shape:
    """A value of a shape, or null."""
    return lambda value: iter(()) if value is None else shape(value)


def both(first: Shape, second: Shape) -> Shape:
    """A value of two shapes."""

    def check(value: Any) -> Iterator[tuple[str, str]]:
        yield from first(value)
        yield from second(value)

    return check


def items(shape: Shape, *, least: int = 0) -> Shape:
    """A list of values of one shape."""

    def check(value: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(value, list | tuple):
            yield "", f"must be a list, not {shown(value)}"
            return
        if len(value) < least:
            yield "", "is empty" if least == 1 else f"has {len(value)} items instead of {least}"
        for index, inner in enumerate(value):
            for key, why in shape(inner):
                yield f"[{index}]{key}", why

    return check


def pair(first: Shape, second: Shape) -> Shape:
    """A list of two values."""

    def check(value: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            yield "", f"must be a list of two values, not {shown(value)}"
            return
        for index, shape in enumerate((first, second)):
            for key, why in shape(value[index]):
                yield f"[{index}]{key}", why

    return check


def mapping(shape: Shape) -> Shape:
    """An object whose values have one shape; its keys are free."""

    def check(value: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict):
            yield "", f"must be an object, not {shown(value)}"
            return
        for name, inner in value.items():
            for key, why in shape(inner):
                yield f".{shown(name)[1:-1]}{key}", why

    return check


def fields(
    required: Mapping[str, Shape], may_have: Mapping[str, Shape] | None = None, *, others: bool = False
) -> Shape:
    """An object with named keys.

    Args:
        required: Keys that it must have.
        may_have: Keys that it may have.
        others: Whether it may have any other key too.
    """
    known = {**(may_have or {}), **required}

    def check(value: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict):
            yield "", f"must be an object, not {shown(value)}"
            return
        for name in required:
            if name not in value:
                yield f".{name}", "is missing"
        for name, inner in value.items():
            if name in known:
                for key, why in known[name](inner):
                    yield f".{name}{key}", why
            elif not others:
                yield f".{shown(name)[1:-1]}", UNKNOWN

    return check


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )  # NaN is not


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and _HEX.issuperset(value)


def _is_plain_name(value: Any) -> bool:
    plain = (
        isinstance(value, str)
        and 0 < len(value) <= _MOST_NAME_CHARS
        and value not in (".", "..")
        and value.isprintable()
    )
    return plain and not any(sign in value for sign in "/\\:")


def _is_path(value: Any) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_PATH_CHARS or "\0" in value:
        return False
    return all(len(part) <= _MOST_NAME_CHARS for part in value.replace("\\", "/").split("/"))


ANY: Shape = leaf("a value", lambda one: True)
TEXT = text()
PATH = leaf("a path", _is_path)
PLAIN_NAME = leaf("the plain name of a folder or a file", _is_plain_name)
COUNT = whole()
NUMBER = leaf("a finite number", _is_number)
FLAG = leaf("true or false", lambda one: isinstance(one, bool))
DIGEST = leaf("a sha256 in small hex digits", _is_digest)
TABLE = leaf("an object", lambda one: isinstance(one, dict))
TEXTS = items(TEXT)
FILE_ENTRY = fields(
    {"path": leaf("a path", lambda one: isinstance(one, str) and bool(one)), "size_bytes": COUNT, "sha256": DIGEST}
)
"""One file: path, size and digest."""
