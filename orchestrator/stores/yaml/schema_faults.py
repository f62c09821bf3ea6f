"""Checks plain values against the dataclasses of the core; each fault gets its file, line, key and nearest name."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core.errors import BadInput
from orchestrator.core.section.hyperparameter_types import LinearSchedule
from orchestrator.stores.yaml.document import Document, Fault, Path
from orchestrator.stores.yaml.known_keys import kinds_at, nearest_key, required_keys
from orchestrator.stores.yaml.values import yaml_1_1_hint

Checked = TypeVar("Checked")

_EXACT_WHOLE = 2**53
"""Up to here a float stands for one whole number."""


def checked(document: Document, kind: type[Checked], source: str, *, whole: str, example: str) -> Checked:
    """The value that a document declares.

    Args:
        document: As it was read.
        kind: The dataclass.
        source: Name of the file, for messages.
        whole: What the file is, for example `card`.
        example: A file of this kind that works.

    Raises:
        BadInput: Every fault of the reading and of the values, in the order of lines.
    """
    if document.empty:
        raise BadInput(
            f"{source} is empty: a {whole} needs at least {', '.join(required_keys(kind))}",
            remedy=f"{example} is an example; `git checkout -- {example}` restores it.",
        )
    found: list[Fault] = []
    try:
        value = _validated(document.plain, kind)
    except ValidationError as fault:
        unread = [one.path for one in document.faults if _value_at(document.plain, one.path) is None]
        every = _faults(fault.errors(include_url=False), document, kind, whole)
        found = [one for one in every if not any(one.path[: len(path)] == path for path in unread)]
    if not (found or document.faults):
        return value
    places = {one: f"{'.'.join(map(str, one.path)) or f'the {whole}'}: " for one in found}
    lines = [
        f"{source}{f', line {one.line}' if one.line else ''}: {places.get(one, '')}{one.told}"
        for one in sorted((*document.faults, *found), key=lambda one: one.line)
    ]
    raise BadInput("\n".join(dict.fromkeys(lines)), remedy="Correct the named keys; nothing was started.")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))


def _value_at(plain: Any, path: Path) -> Any:
    for part in path:
        plain = plain[part]
    return plain


def _validated(plain: Any, kind: type[Checked]) -> Checked:
    """Through JSON, because pydantic's strict mode then takes a mapping for a dataclass and a list for a tuple."""
    adapter: TypeAdapter[Checked] = _adapter(cast("Hashable", kind))
    try:
        return adapter.validate_json(json.dumps(plain))
    except ValidationError as fault:
        changed = _with_whole_numbers(plain, fault.errors(include_url=False))
        if changed is None:
            raise
        return adapter.validate_json(json.dumps(changed))


def _with_whole_numbers(plain: Any, errors: Sequence[ErrorDetails]) -> Any | None:
    """The same values with `1e6` as a whole number where one is needed; None where there is no such place."""
    places = [
        _path_of(plain, error["loc"])
        for error in errors
        if error["type"] == "int_type"
        and isinstance(error["input"], float)
        and error["input"].is_integer()
        and abs(error["input"]) <= _EXACT_WHOLE
    ]
    if not places:
        return None
    changed = json.loads(json.dumps(plain))
    for *above, leaf in places:
        block: Any = changed
        for part in above:
            block = block[part]
        block[leaf] = int(block[leaf])
    return changed


def _path_of(plain: Any, location: tuple[int | str, ...]) -> Path:
    """The part of pydantic's location that the values have; its own words for branches of a union are left out."""
    path: list[str | int] = []
    for part in location:
        if isinstance(plain, dict) and str(part) in plain:
            part = str(part)
        elif not (isinstance(plain, list) and isinstance(part, int) and part < len(plain)):
            continue
        plain = plain[part]
        path.append(part)
    return tuple(path)


def _faults(errors: Sequence[ErrorDetails], document: Document, kind: Any, whole: str) -> Iterator[Fault]:
    """One fault a place: what the branches of a union say of the same place is joined."""
    told: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        path = _path_of(document.plain, error["loc"])
        leaf = str(error["loc"][-1]) if error["loc"] else ""
        if error["type"] == "missing" and path[-1:] != (leaf,):
            path = (*path, leaf)
        told.setdefault(path, []).append(error)
    for path, several in told.items():
        # Of the branches of a union, one that fits in its form says more than one that does not fit at all.
        deeper = any(other[: len(path)] == path and other != path for other in told)
        if deeper and all(one["type"].endswith("_type") for one in several):
            continue
        told_best = [one for one in several if not one["type"].endswith("_type")] or several
        for words in _words(told_best, path, kind, whole).splitlines():  # a block's own check may name several keys
            yield Fault(line=_line(document, path, words), path=path, told=words)


def _line(document: Document, path: Path, words: str) -> int:
    """The line of a place or of the nearest one above it; a sentence about one key of a block has that key's line."""
    named = (*path, words.partition(" ")[0].rstrip(":"))
    for length in range(len(named), 0, -1):
        if named[:length] in document.lines:
            return document.lines[named[:length]]
    return 1 if document.lines else 0


def _words(several: Sequence[ErrorDetails], path: Path, kind: Any, whole: str) -> str:
    first, value = several[0], several[0]["input"]
    if first["type"] == "unexpected_keyword_argument":
        return f"unknown key{nearest_key(kind, path, whole)}"
    if first["type"] == "missing":
        return "missing"
    said = list(dict.fromkeys(_said(one) for one in several))
    forms = [one.removeprefix("Input should be ") for one in said]
    words = "Input should be " + " or ".join(forms) if len(said) > 1 and forms != said else "; ".join(said)
    if isinstance(value, str):
        words += yaml_1_1_hint(value)
    if LinearSchedule in kinds_at(kind, path):
        words += _schedule_hint(value)
    if isinstance(value, dict) and len(several) > 1:
        words += f"; a nested key is written with dots, as {path[-1]}.{next(iter(value), 'key')}"
    return words


_PLAINER = {"dataclass_type": "Input should be a mapping (key: value)", "list_type": "Input should be a list"}


def _said(error: ErrorDetails) -> str:
    return _PLAINER.get(error["type"]) or error["msg"].removeprefix("Value error, ")


def _schedule_hint(value: Any) -> str:
    """How a rate is written that is a plain number, or a word such as `lin_0.001` of the RL Zoo."""
    linear = re.fullmatch(r"lin_([0-9.eE+-]+)", value) if isinstance(value, str) else None
    if linear:
        return f": write {{start: {linear[1]}, end: 0.0, over_steps: N}} with N the steps of the whole training"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f": write {{start: {value}, end: {value}, over_steps: 1}} for a rate that stays"
    return ""
