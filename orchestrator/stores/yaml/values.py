"""Scalars of the YAML 1.2 core schema, and hints for texts that YAML 1.1 read differently.

Source: YAML 1.2.2, section 10.3.2, https://yaml.org/spec/1.2.2/#1032-tag-resolution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import yaml

_CORE = "tag:yaml.org,2002:"
MERGE = f"{_CORE}merge"
"""Tag of a plain `<<`. Merge keys are not part of YAML 1.2; https://yaml.org/type/merge.html defines them."""

STRING, SEQUENCE, MAPPING = f"{_CORE}str", f"{_CORE}seq", f"{_CORE}map"

Scalar = bool | int | float | str | None

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_MOST_DIGITS = 300
"""A whole number with more digits fits no float, and Python is slow at very long ones."""


class SyntaxLoader(yaml.SafeLoader):
    """PyYAML's scanner, parser and composer with the tags of YAML 1.2; constructs no values."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # replaces the YAML 1.1 table of the base class


for _tag, _form, _first in (
    ("null", _NULL, ["n", "N", "~", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+0123456789.")),
):
    SyntaxLoader.add_implicit_resolver(f"{_CORE}{_tag}", re.compile(f"^(?:{_form.pattern})$"), _first)
SyntaxLoader.add_implicit_resolver(MERGE, re.compile(r"^<<$"), ["<"])


def scalar_of(tag: str, text: str) -> Scalar:
    """The value of a scalar.

    Args:
        tag: Resolved by the composer, or written in the file.
        text: The scalar's text.

    Raises:
        ValueError: The tag is not in the core schema, or the text does not fit it.
    """
    kind = tag.removeprefix(_CORE) if tag.startswith(_CORE) else None
    if kind not in _READERS:
        raise ValueError(f"the tag {tag_word(tag)} is not allowed: values are text, numbers, true, false and null")
    form, read = _READERS[kind]
    if not form.fullmatch(text):
        raise ValueError(f"{text!r} does not fit its tag {tag_word(tag)}")
    return read(text)


def tag_word(tag: str) -> str:
    """A tag as written in a file."""
    return f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a whole number has at most {_MOST_DIGITS} digits, not {len(text)}")
    if text.startswith(("0o", "0x")):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return int(text, 10)


def _number(text: str) -> float:
    word = text.lower().lstrip("+-")
    if word in (".inf", ".nan"):
        return math.copysign(float(word[1:]), -1.0 if text.startswith("-") else 1.0)
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number; write .inf for infinity")
    return number


def _text(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text holds half a surrogate pair, which is not a character")
    return text


_READERS: Mapping[str | None, tuple[re.Pattern[str], Callable[[str], Scalar]]] = {
    "null": (_NULL, lambda text: None),
    "bool": (_BOOL, lambda text: text.lower() == "true"),
    "int": (_INT, _whole),
    "float": (_FLOAT, _number),
    "str": (re.compile(r".*", re.DOTALL), _text),
}

_YAML_1_1: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"y|yes|on", re.IGNORECASE), "true"),
    (re.compile(r"n|no|off", re.IGNORECASE), "false"),
    (re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?"), "the digits without _"),
    (re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"), "one number, in seconds"),
    (re.compile(r"[-+]?0[bB][01_]+|[-+]0[xo][0-9a-fA-F_]+"), "a decimal number"),
)


def yaml_1_1_hint(text: str) -> str:
    """What to write instead of a text that YAML 1.1 read as a number or boolean; empty for any other text."""
    for form, instead in _YAML_1_1:
        if form.fullmatch(text):
            return f": {text} is text in YAML 1.2, write {instead}"
    return ""
