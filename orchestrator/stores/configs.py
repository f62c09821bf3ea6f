"""Section cards from YAML; reports every fault at once, each with its key path."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from orchestrator.core.cells import NEVER_SET, Setting, Settings
from orchestrator.core.errors import BadInput
from orchestrator.core.sections import SectionCard


class Loader(yaml.SafeLoader):
    """Safe YAML in which `5e-4` is a number (YAML 1.2), not the text that YAML 1.1 makes of it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; the same key twice is refused."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def card_names(folder: Path) -> tuple[str, ...]:
    """Names of all sections that have a card."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_card(folder: Path, section: str, settings: Settings | None = None) -> SectionCard:
    """Read and check the card of a section.

    Args:
        settings: Keys of the card, nested ones with dots, and values that replace those of the file.

    Raises:
        BadInput: No such section, unreadable YAML, or any number of wrong keys and values, all named.
    """
    known = card_names(folder)
    if section not in known:
        spelled_out = f"section_{section.replace('.', '_')}"  # people say 7.6
        near = [spelled_out] if spelled_out in known else difflib.get_close_matches(section, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known sections: {', '.join(known) or 'none'}."
        raise BadInput(f"there is no section {section!r}", remedy=hint)
    path = folder / f"{section}.yaml"
    card = parse_card(read_text(path), path.name)
    return set_in_card(card, read_yaml(read_text(path), path.name), settings) if settings else card


def set_in_card(card: SectionCard, plain: Any, settings: Settings) -> SectionCard:
    """The same section with other values: a trial, as soon as its training is another one.

    Args:
        card: As its file has it.
        plain: The file's YAML.
        settings: Keys with dots -> values.

    Raises:
        BadInput: The card has no such key, or it does not take the value.
    """
    changed = copy.deepcopy(plain)
    for key, value in settings.items():
        if key in NEVER_SET:
            raise BadInput(f"{card.section}: {key} cannot be set", remedy="It says which section this is.")
        block, leaf = changed, key
        while "." in leaf and isinstance(block, dict):
            part, _, leaf = leaf.partition(".")
            block = block.get(part)
        if not isinstance(block, dict) or (leaf not in block and leaf not in _optional_keys(key)):
            known = sorted(_leaves(plain))
            near = difflib.get_close_matches(key, known, n=1) or [name for name in known if name.endswith(f".{leaf}")]
            hint = f"Did you mean {near[0]}?" if near else "Give a key that the section's card has."
            raise BadInput(f"{card.section}: the card has no {key}", remedy=hint)
        block[leaf] = value
    other = check_card(changed, f"{card.section}.yaml with {', '.join(f'{k}={v}' for k, v in settings.items())}")
    return dataclasses.replace(other, trial=other.lineage.id != card.lineage.id)


def read_settings(words: Sequence[str] | None) -> Settings:
    """`KEY=VALUE` words of a command line; a value is YAML, as in a file.

    Raises:
        BadInput: A word is not of that form, or a key stands twice.
    """
    settings: dict[str, Setting] = {}
    for word in words or ():
        key, equals, value = word.partition("=")
        if not equals or not key or key in settings:
            raise BadInput(
                f"--set {word}: not KEY=VALUE, or given twice", remedy="For example environment.decision_s=5.0."
            )
        settings[key] = read_yaml(value, f"--set {key}")
    return settings


def _optional_keys(key: str) -> list[str]:
    """Keys that a card may have at the place of this one, with those that it leaves to their default."""
    return _keys_at(tuple(key.split(".")[:-1]))


def _leaves(block: Any, prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")


def choose(card: SectionCard, *, algorithm: str | None, seed: int | None) -> SectionCard:
    """A card with another algorithm or seed, each None for the card's own.

    Raises:
        BadInput: The card declares no such algorithm, or the seed is negative.
    """
    known = {name.replace("-", "").lower(): name for name in card.algorithms.names}
    if algorithm is not None:
        algorithm = known.get(algorithm.replace("-", "").lower(), algorithm)  # people write QR-DQN
    try:
        return card.chosen(algorithm=algorithm, seed=seed)
    except ValueError as fault:
        raise BadInput(str(fault), remedy="Give --algorithm and --seed as the section's card knows them.") from fault


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        BadInput: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{path} cannot be read: {fault}", remedy="The file must be readable UTF-8 text.") from fault


def parse_card(text: str, source: str) -> SectionCard:
    """Check the text of a card.

    Args:
        text: YAML.
        source: File name for messages; its stem must be the card's section.

    Raises:
        BadInput: See `load_card`.
    """
    card = check_card(read_yaml(text, source), source)
    if card.trial:
        raise BadInput(f"{source}: trial: unknown key", remedy="Give --seed or --algorithm to make a trial.")
    if card.section != Path(source).stem:
        raise BadInput(f"{source}: section is {card.section!r}", remedy="The file's name must be its section.")
    return card


def read_yaml(text: str, source: str) -> Any:
    """Plain values of a YAML text; a key that stands twice is refused.

    Raises:
        BadInput: It is not YAML; the line is named.
    """
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as fault:
        where = getattr(fault, "problem_mark", None)
        place = f", line {where.line + 1}" if where else ""
        problem = getattr(fault, "problem", None) or fault
        raise BadInput(f"{source}{place}: {problem}", remedy="Mend the YAML at that place.") from fault


def check_card(plain: Any, source: str) -> SectionCard:
    """A card from plain values.

    Raises:
        BadInput: Every wrong key and value, each named.
    """
    try:
        # Through JSON, because pydantic's strict mode then takes a mapping for a dataclass and a list for a tuple.
        return _adapter().validate_json(json.dumps(plain, default=str))
    except ValidationError as fault:
        lines = [f"{source}: {line}" for line in _faults(fault)]
        raise BadInput("\n".join(lines), remedy="Mend the named keys; nothing was started.") from fault


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[SectionCard]:
    return TypeAdapter(SectionCard)


def _faults(fault: ValidationError) -> Iterator[str]:
    for error in fault.errors(include_url=False):
        place = ".".join(str(part) for part in error["loc"]) or "the card"
        if error["type"] == "unexpected_keyword_argument":
            near = difflib.get_close_matches(str(error["loc"][-1]), _keys_at(error["loc"][:-1]), n=1)
            yield f"{place}: unknown key" + (f", did you mean {near[0]}?" if near else "")
        elif error["type"] == "missing":
            yield f"{place}: missing"
        else:
            yield f"{place}: {error['msg'].removeprefix('Value error, ')}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Keys that the card knows at a place, for the nearest name."""
    current: Any = SectionCard
    for part in location:
        current = _without_none(current)
        if dataclasses.is_dataclass(current):
            current = typing.get_type_hints(current).get(str(part))
        elif typing.get_origin(current) in (dict, Mapping, types.MappingProxyType):
            current = typing.get_args(current)[1]
    current = _without_none(current)
    return [field.name for field in dataclasses.fields(current)] if dataclasses.is_dataclass(current) else []


def _without_none(kind: Any) -> Any:
    """The type itself of one that may also be None."""
    kinds = [known for known in typing.get_args(kind) if known is not types.NoneType]
    return kinds[0] if types.NoneType in typing.get_args(kind) and len(kinds) == 1 else kind
