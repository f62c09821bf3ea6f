"""Reads section cards from YAML; reports all faults at once, each with its key."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.overrides import NEVER_SET, Setting, Settings, require_steps
from orchestrator.core.section.size_limits import size_faults
from orchestrator.core.zoo.card_block import STEPS
from orchestrator.kernel.schema import SETTINGS
from orchestrator.stores.project import are_shipped
from orchestrator.stores.section.own_schema import FILE, kind_of_card
from orchestrator.stores.yaml.document import Document, read_document
from orchestrator.stores.yaml.known_keys import keys_at, kinds_at, required_keys
from orchestrator.stores.yaml.schema_faults import checked
from orchestrator.stores.yaml.text_files import read_text
from orchestrator.stores.zoo.card_entries import translated

EXAMPLE = "configs/sections/section_7_6.yaml"
_SECTIONS = "validation_ch7"
_INSTALLED_SECTIONS = Path(__file__).resolve().parents[3] / _SECTIONS


def card_names(folder: Path) -> tuple[str, ...]:
    """Names of all sections that have a card."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_card(folder: Path, section: str, settings: Settings | None = None) -> SectionCard:
    """Read and check the card of a section.

    Args:
        folder: `configs/sections` of a project; the section's own schema is in `validation_ch7` of the same project,
            or of this installation if the folder belongs to no project.
        settings: Key, nested ones with dots -> value that replaces the file's.

    Raises:
        BadInput: No such section, unreadable YAML, a broken schema, or wrong keys and values, all of them listed.
    """
    path = _path_of(folder, section)
    card = parse_card(read_text(path), path.name, _sections_of(folder))
    return set_in_card(card, read_yaml(read_text(path), path.name), settings) if settings else card


def kind_of_section(folder: Path, section: str) -> type[SectionCard]:
    """The type of a section's card, with the section's own keys. The card must be YAML, but need not be valid.

    Raises:
        BadInput: No such section, unreadable YAML, or a broken schema.
    """
    path = _path_of(folder, section)
    return kind_of_card(_sections_of(folder), read_document(read_text(path), path.name).plain)


def _path_of(folder: Path, section: str) -> Path:
    """The file of a section's card.

    Raises:
        BadInput: There is no such section.
    """
    known = card_names(folder)
    if section not in known:
        spelled_out = f"section_{section.replace('.', '_')}"  # users write 7.6
        near = [spelled_out] if spelled_out in known else difflib.get_close_matches(section, known, n=1)
        new = "`orchestrator init DIR` writes a project of your own."
        hint = f"Did you mean {near[0]}?" if near else f"Known sections: {', '.join(known) or 'none'}. {new}"
        where = ": no project here, only the sections of this installation" if are_shipped(folder) else ""
        raise BadInput(f"there is no section {section!r}{where}", remedy=hint)
    return folder / f"{section}.yaml"


def set_in_card(card: SectionCard, plain: Any, settings: Settings) -> SectionCard:
    """The section with other values; it becomes a trial if that changes its lineage.

    Args:
        card: The card of the file.
        plain: The file's YAML.
        settings: Keys with dots -> values.

    Raises:
        BadInput: The card has no such key, or the value is not valid for it.
    """
    require_steps(card, settings)
    changed = translated(Document(plain=copy.deepcopy(plain), lines={}, faults=())).plain
    if any(key.startswith("profiles.") for key in settings):
        changed.setdefault("profiles", {"quick": {}, "full": {}})  # the profiles of a card that names none
    for name in ("kaggle", "slurm", "ray"):
        if any(key.startswith(f"{name}.") for key in settings):
            changed.setdefault(name, {})  # all its keys have defaults
    for key, value in settings.items():
        if key in NEVER_SET:
            raise BadInput(
                f"{card.section}: {key} cannot be set", remedy="It identifies the section; leave this setting out."
            )
        block, leaf, above = changed, key, ""
        while "." in leaf and isinstance(block, dict):
            part, _, leaf = leaf.partition(".")
            above = f"{above}.{part}".lstrip(".")
            if part not in block and _has_optional_keys(type(card), above):
                block[part] = {}  # all its keys have defaults, as those of policy_kwargs
            block = block.get(part)
        if not isinstance(block, dict) or (leaf not in block and leaf not in _optional_keys(type(card), key)):
            known = sorted(set(_possible_keys(type(card), plain)) - NEVER_SET)
            raise BadInput(f"{card.section}: the card has no {key}", remedy=_known_key(key, leaf, known))
        block[leaf] = value
    source = f"{card.section}.yaml with {', '.join(f'{k}={v}' for k, v in settings.items())}"
    other = _checked(Document(plain=changed, lines={}, faults=()), type(card), source)
    return dataclasses.replace(other, trial=other.lineage.id != card.lineage.id)


def _known_key(key: str, leaf: str, known: Sequence[str]) -> str:
    """The key of a card that may be meant. Free settings too must be in the card, so that a misspelled one is found."""
    if key.startswith(f"{SETTINGS}."):
        free = [name.removeprefix(f"{SETTINGS}.") for name in known if name.startswith(f"{SETTINGS}.")]
        near = difflib.get_close_matches(leaf, free, n=1)
        hint = f"Did you mean {SETTINGS}.{near[0]}? " if near else ""
        return f"{hint}A setting must be in the card, with its usual value, before it can be set."
    if leaf == STEPS:
        return "It is target_steps of a profile: --set profiles.full.target_steps=N."
    near = difflib.get_close_matches(key, known, n=1) or [name for name in known if name.endswith(f".{leaf}")]
    return f"Did you mean {near[0]}?" if near else "Give a key that the section's card has."


def read_settings(words: Sequence[str] | None) -> Settings:
    """`KEY=VALUE` words of a command line; a value is YAML, as in a file.

    Raises:
        BadInput: A word does not have that form, or a key is given twice.
    """
    settings: dict[str, Setting] = {}
    for word in words or ():
        key, equals, value = word.partition("=")
        if not equals or not key or key in settings:
            raise BadInput(
                f"--set {word}: not KEY=VALUE, or given twice", remedy="For example: --set algorithms.DQN.gamma=0.98"
            )
        settings[key] = read_yaml(value, f"--set {key}")
    return settings


def _sections_of(cards: Path) -> Path:
    """Folder of the sections that belong to a folder of cards."""
    cards = cards.resolve()
    own = cards.parent.parent / _SECTIONS
    return own if own.is_dir() or cards.parts[-2:] == ("configs", "sections") else _INSTALLED_SECTIONS


def value_of(card: SectionCard, key: str) -> Any:
    """The value of a card at a key with dots, None if it has none."""
    value: Any = card
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return list(value) if isinstance(value, tuple) else value


def _optional_keys(kind: type[SectionCard], key: str) -> list[str]:
    """Keys that a card may have beside this one, including those with a default."""
    return keys_at(kind, tuple(key.split(".")[:-1]))


def _has_optional_keys(kind: type[SectionCard], place: str) -> bool:
    """Whether the card may have a block at a place without required keys, below an algorithm or a section's own key."""
    below = [one for one in kinds_at(kind, tuple(place.split("."))) if dataclasses.is_dataclass(one)]
    own = {one.name for one in dataclasses.fields(kind.own_schema)} if kind.own_schema else set()
    depth = place.count(".") + (place.partition(".")[0] in own)
    return depth > 1 and len(below) == 1 and not required_keys(below[0])


def _possible_keys(kind: type[SectionCard], block: Any, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Keys with dots that the blocks of a file have or may have."""
    for key in dict.fromkeys((*block, *keys_at(kind, above))):
        path = (*above, str(key))
        yield ".".join(path)
        if isinstance(inner := block.get(key), dict):
            yield from _possible_keys(kind, inner, path)


def choose(card: SectionCard, *, algorithm: str | None, seed: int | None) -> SectionCard:
    """A card with another algorithm or seed; None keeps the card's own.

    Raises:
        BadInput: The card declares no such algorithm, or the seed is out of range.
    """
    known = {name.replace("-", "").lower(): name for name in card.algorithms.names}
    if algorithm is not None:
        algorithm = known.get(algorithm.replace("-", "").lower(), algorithm)  # users write QR-DQN
    try:
        return card.chosen(algorithm=algorithm, seed=seed)
    except ValueError as fault:
        raise BadInput(str(fault), remedy="Give an --algorithm and a --seed that the section's card allows.") from fault


def parse_card(text: str, source: str, sections: Path = _INSTALLED_SECTIONS) -> SectionCard:
    """Check the text of a card.

    Args:
        text: YAML.
        source: File name, for messages; its stem must be the card's section.
        sections: `validation_ch7` of the project, with the section's own schema; by default of this installation.

    Raises:
        BadInput: See `load_card`.
    """
    document = read_document(text, source)
    card = _checked(document, kind_of_card(sections, document.plain), source)
    if card.trial:
        raise BadInput(f"{source}: trial: unknown key", remedy="Give --seed or --algorithm to make a trial.")
    if card.section != Path(source).stem:
        raise BadInput(f"{source}: section is {card.section!r}", remedy="The file's name must be its section.")
    return card


def read_yaml(text: str, source: str) -> Any:
    """Plain values of a YAML text, without shared blocks.

    Raises:
        BadInput: It is not YAML, or values cannot be read; each with its line.
    """
    document = read_document(text, source)
    if document.faults:
        lines = dict.fromkeys(f"{source}, line {one.line}: {one.text}" for one in document.faults)
        raise BadInput("\n".join(lines), remedy="Correct the YAML there.")
    return document.plain


def _checked(document: Document, kind: type[SectionCard], source: str) -> SectionCard:
    """A card from plain values, with entries of RL Zoo translated.

    Raises:
        BadInput: Wrong keys and values, all of them listed, or the section's schema fails.
    """
    document = translated(document)
    try:
        card = checked(document, kind, source, whole="card", example=EXAMPLE)
    except BadInput:
        raise
    except Exception as fault:
        if kind.own_schema is None:
            raise
        raise BadInput(
            f"{source}: {FILE} of the section fails while it checks the card: {type(fault).__name__}: {fault}",
            remedy=f"A check in {FILE} reports a wrong value with ValueError; correct the value or that check.",
        ) from fault
    if too_large := sorted(_too_large(document, source)):
        raise BadInput("\n".join(too_large), remedy="Give smaller sizes; nothing was started.")
    return card


def _too_large(document: Document, source: str) -> Iterator[str]:
    """Sizes beyond their limit, each with its line."""
    for place, text in size_faults(document.plain):
        line = f", line {document.lines[place]}" if place in document.lines else ""
        yield f"{source}{line}: {'.'.join(map(str, place))}: {text}"
