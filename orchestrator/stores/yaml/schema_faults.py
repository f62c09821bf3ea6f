"""Checks plain values against a dataclass; each fault has its file, line, key and nearest valid name."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core.errors import BadInput
from orchestrator.kernel.algorithms.plans import LinearPlan
from orchestrator.stores.yaml.document import Document, Fault, Path
from orchestrator.stores.yaml.known_keys import kinds_at, nearest_key, required_keys
from orchestrator.stores.yaml.values import yaml_1_1_hint

Checked = TypeVar("Checked")

_EXACT_WHOLE = 2**53
"""Up to here every whole number is exact as a float."""


def checked(document: Document, kind: type[Checked], source: str, *, whole: str, example: str) -> Checked:
    """Convert a document to a dataclass.

    Args:
        document: The document that was read.
        kind: The dataclass.
        source: Name of the file, for messages.
        whole: Name of this kind of file, for example `card`.
        example: A valid file of this kind.

    Raises:
        BadInput: All faults of the YAML and of the values, sorted by line.
    """
    if document.empty:
        raise BadInput(
            f"{source} is empty: a {whole} needs at least {', '.join(required_keys(kind))}",
            remedy=f"`orchestrator init DIR` writes a complete one; {example} of the repository is an example.",
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
        f"{source}{f', line {one.line}' if one.line else ''}: {places.get(one, '')}{one.text}"
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
    """Validate as JSON: only then pydantic's strict mode accepts a mapping as a dataclass and a list as a tuple."""
    adapter: TypeAdapter[Checked] = _adapter(cast("Hashable", kind))
    try:
        return adapter.validate_json(json.dumps(plain))
    except ValidationError as fault:
        changed = _with_whole_numbers(plain, fault.errors(include_url=False))
        if changed is None:
            raise
        return adapter.validate_json(json.dumps(changed))


def _with_whole_numbers(plain: Any, errors: Sequence[ErrorDetails]) -> Any | None:
    """The values with floats such as `1e6` as integers where an integer is needed; None if there is no such place."""
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
    """The path of pydantic's location in the values, without its own names for the members of a union."""
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
    """One fault per place: errors of the members of a union at the same place are joined."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        path = _path_of(document.plain, error["loc"])
        leaf = str(error["loc"][-1]) if error["loc"] else ""
        if error["type"] == "missing" and path[-1:] != (leaf,):
            path = (*path, leaf)
        by_place.setdefault(path, []).append(error)
    for path, several in by_place.items():
        # An error of a union member of the right type explains more than one of a member of the wrong type.
        deeper = any(other[: len(path)] == path and other != path for other in by_place)
        if deeper and all(one["type"].endswith("_type") for one in several):
            continue
        wrong = ("_type", "literal_error")
        best = [one for one in several if not one["type"].endswith(wrong)] or several
        for text in _text(best, path, kind, whole).splitlines():  # a block's own check may report several keys
            yield Fault(line=_line(document, path, text), path=path, text=text)


def _line(document: Document, path: Path, text: str) -> int:
    """Line of a place, or of the nearest one above; a text that begins with a key of the block has that key's line."""
    named = (*path, *text.partition(" ")[0].rstrip(":").split("."))
    for length in range(len(named), 0, -1):
        if named[:length] in document.lines:
            return document.lines[named[:length]]
    return 1 if document.lines else 0


def _text(several: Sequence[ErrorDetails], path: Path, kind: Any, whole: str) -> str:
    first, value = several[0], several[0]["input"]
    if first["type"] == "unexpected_keyword_argument":
        return f"unknown key{nearest_key(kind, path, whole)}"
    if first["type"] == "missing":
        return "missing"
    messages = list(dict.fromkeys(_message(one) for one in several))
    forms = [one.removeprefix("Input should be ") for one in messages]
    several_forms = len(messages) > 1 and forms != messages
    text = "Input should be " + " or ".join(forms) if several_forms else "; ".join(messages)
    if isinstance(value, str):
        text += yaml_1_1_hint(value)
    if LinearPlan in kinds_at(kind, path):
        text += _schedule_hint(value)
    if isinstance(value, dict) and len(several) > 1:
        text += f"; write a nested key with dots, as {path[-1]}.{next(iter(value), 'key')}"
    return text


_PLAINER = {"dataclass_type": "Input should be a mapping (key: value)", "list_type": "Input should be a list"}


def _message(error: ErrorDetails) -> str:
    return _PLAINER.get(error["type"]) or error["msg"].removeprefix("Value error, ")


def _schedule_hint(value: Any) -> str:
    """How to write a plan given as a plain number, or as `lin_0.001` of the RL Zoo."""
    linear = re.fullmatch(r"lin_([0-9.eE+-]+)", value) if isinstance(value, str) else None
    if linear:
        return f": write {{start: {linear[1]}, end: 0.0, over_steps: N}} with N the steps of the whole training"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f": write {{start: {value}, end: {value}, over_steps: 1}} for a constant rate"
    return ""
