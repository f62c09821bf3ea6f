"""Reads single values of an RL Zoo entry: numbers of YAML 1.1, `lin_3e-4`, `dict(...)`, paths of classes.

Each function raises ValueError with a sentence that names what is allowed.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core.zoo.classes import CLASSES, ClassName
from orchestrator.core.zoo.entry import ClassCall, Linear
from orchestrator.core.zoo.literals import read_literal

MOST_STEPS = 2**53
"""Integers up to here are exact in JSON."""

_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LINEAR = re.compile(r"lin(?:ear)?_(.+)")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_NOISES = {"normal": "normal", "ornstein-uhlenbeck": "ornstein_uhlenbeck"}
# Source: YAML 1.1, https://yaml.org/type/bool.html; RL Zoo's files are read by a parser of YAML 1.1.
_WORDS = {"yes": True, "on": True, "no": False, "off": False}


def plain_value(value: Any) -> Any:
    """A value in which texts that are numbers or booleans of YAML 1.1, such as `1_000_000` and `1e6`, are such."""
    if isinstance(value, dict):
        return {name: plain_value(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain_value(one) for one in value]
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if len(text) <= 40 and _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if len(text) <= 40 and _NUMBER.fullmatch(text) else value


def number(value: Any) -> int | float:
    """A finite number.

    Raises:
        ValueError: It is none.
    """
    plain = plain_value(value)
    if type(plain) not in (int, float) or not math.isfinite(plain):
        raise ValueError(f"a number is needed, not {value!r}")
    assert isinstance(plain, int | float)
    return plain


def count(value: Any) -> int:
    """A whole number from 1 on; `1e6` is one too.

    Raises:
        ValueError: It is none.
    """
    plain = plain_value(value)
    if type(plain) not in (int, float) or not 1 <= plain <= MOST_STEPS or plain != int(plain):
        raise ValueError(f"a whole number from 1 to {MOST_STEPS} is needed, not {value!r}")
    return int(plain)


def schedule(value: Any) -> int | float | Linear:
    """A number, or `lin_X`.

    Raises:
        ValueError: It is neither.
    """
    found = _LINEAR.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return number(value) if found is None else Linear(float(number(found[1])))
    except ValueError:
        raise ValueError(f"a number or lin_X with a number X is needed, not {value!r}") from None


def learned(text: str, *, starts: bool) -> str:
    """`auto`, or `auto_X` with a start value for a number that is learned and may have one.

    Raises:
        ValueError: It is neither.
    """
    word, joined, start = text.partition("_")
    if word == "auto" and (not joined or (starts and float(number(start)) > 0.0)):
        return text
    raise ValueError(f"auto{', auto_X with a number X above 0,' if starts else ''} or a number is needed, not {text!r}")


def mapping(value: Any) -> dict[str, Any]:
    """A mapping, or the text of one such as `dict(gamma=0.9)`. Texts that name known classes become these.

    Raises:
        ValueError: It is none.
    """
    found = read_literal(value) if isinstance(value, str) else plain_value(value)
    if not isinstance(found, dict):
        raise ValueError(f'a mapping or a text such as "dict(name=value)" is needed, not {value!r}')
    return {name: _class_or_value(name, one) for name, one in found.items()}


def named(value: Any) -> dict[str, Any]:
    """A mapping whose keys can be names of arguments.

    Raises:
        ValueError: It is none.
    """
    found = mapping(value)
    for name in found:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"{name!r} cannot be the name of an argument")
    return found


def _class_or_value(name: str, value: Any) -> Any:
    """The value of an argument; a class for `activation_fn`, `optimizer_class` and the like."""
    if isinstance(value, str) and (name.endswith("_class") or name == "activation_fn"):
        return known_class(value)
    return value


def known_class(value: Any) -> ClassName:
    """A class of the table of `classes.py`.

    Raises:
        ValueError: It is none.
    """
    found = CLASSES.get(value) if isinstance(value, str) else None
    if found is None and isinstance(value, str):
        found = read_literal(value)  # names what is not allowed in it
    if not isinstance(found, ClassName):
        raise ValueError(f"the name of a known class is needed, not {value!r}")
    return found


def switch(value: Any) -> bool:
    """True or false.

    Raises:
        ValueError: It is neither.
    """
    plain = plain_value(value)
    if not isinstance(plain, bool):
        raise ValueError(f"true or false is needed, not {value!r}")
    return plain


def noise_kind(value: Any) -> str:
    """A kind of noise, in the words of a card.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or value.strip() not in _NOISES:
        raise ValueError(f"normal or ornstein-uhlenbeck is needed, not {value!r}")
    return _NOISES[value.strip()]


def train_freq(value: Any) -> int | tuple[int, str]:
    """Steps between two updates: N, or `[N, step]` or `[N, episode]`, also as the text of a tuple.

    Raises:
        ValueError: It is none of these.
    """
    plain = plain_value(value)
    if isinstance(plain, str):
        plain = read_literal(plain)
    if isinstance(plain, list | tuple) and len(plain) == 2 and plain[1] in ("step", "episode"):
        return count(plain[0]), str(plain[1])
    try:
        return count(plain)
    except ValueError:
        raise ValueError(f"N, [N, step] or [N, episode] is needed, not {value!r}") from None


def class_path(value: Any) -> tuple[str, str]:
    """Module and name of a class given by its path.

    Raises:
        ValueError: It is no path.
    """
    if not isinstance(value, str) or not _PATH.fullmatch(value.strip()):
        raise ValueError(f"the path of a class such as package.module.Class is needed, not {value!r}")
    if any(map(keyword.iskeyword, value.strip().split("."))):
        raise ValueError(f"{value!r} is no path of a class: it holds a word of Python's own")
    module, _, name = value.strip().rpartition(".")
    return module, name


def class_calls(value: Any) -> tuple[ClassCall, ...]:
    """Classes given by their path, alone or in a list, each with or without a mapping of arguments.

    Raises:
        ValueError: It is none of these.
    """
    if value is None:
        return ()
    return tuple(_class_call(one) for one in (value if isinstance(value, list) else [value]))


def _class_call(value: Any) -> ClassCall:
    arguments: Any = {}
    if isinstance(value, Mapping):
        if len(value) != 1:
            names = ", ".join(map(str, value)) or "nothing"
            raise ValueError(f"one class with its arguments below it is needed; check the indentation of {names}")
        ((value, arguments),) = value.items()
    module, name = class_path(value)
    return ClassCall(module=module, name=name, arguments=named({} if arguments is None else arguments))
