"""JSON Schema of section cards, for editors and for checks by other programs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from orchestrator.core.section.card import LEARNING_FIELDS, SectionCard
from orchestrator.stores.section.card_yaml import card_names, kind_of_section
from orchestrator.stores.section.entry_schema import add_entries, with_steps_of_entries
from orchestrator.stores.yaml.document import SHARED
from orchestrator.stores.yaml.json_schema import SchemaOfTypes

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOT_IN_A_FILE = "trial"

_TEXT, _NONE = {"type": "string"}, {"type": "null"}
_START = [
    {"required": ["script"], "properties": {"script": _TEXT, "entry_point": _NONE}},
    {"required": ["entry_point"], "properties": {"entry_point": _TEXT, "script": _NONE}},
]
"""A card has a script or an entry point, exactly one of them."""

_WITH_ALGORITHM: dict[str, Any] = {
    "if": {"required": ["algorithm"], "properties": {"algorithm": _TEXT}},
    "then": {
        "required": ["algorithms", "profiles"],
        "properties": {
            "network": {"minItems": 1},
            "profiles": with_steps_of_entries({"additionalProperties": {"required": list(LEARNING_FIELDS)}}),
        },
    },
}


def card_schema(folder: Path, section: str | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of the card of a section, or of every card of a project.

    It accepts every card that `load_card` accepts. A few checks across several keys are only made there.

    Args:
        folder: `configs/sections` of the project. The cards need not be valid, but must be YAML.
        section: Name of the section; None for a schema that holds for each card, by its key `section`.

    Raises:
        BadInput: There is no such section, a card is not YAML, or a section's own schema cannot be used.
    """
    types = SchemaOfTypes()
    if section is not None:
        card = _card(types, kind_of_section(folder, section), f"Card of {section}")
        card["properties"]["section"]["const"] = section
    else:
        card = _card(types, SectionCard, "Card of a section")
        kinds = {name: kind_of_section(folder, name).own_schema for name in card_names(folder)}
        _add_own(types, card, {name: kind for name, kind in kinds.items() if kind is not None})
    add_entries(card, types.definitions)
    return {"$schema": _DIALECT, **card, "$defs": types.definitions}


def _card(types: SchemaOfTypes, kind: type[SectionCard], title: str) -> dict[str, Any]:
    block = types.block(kind, without=(_NOT_IN_A_FILE,))
    block["properties"]["profiles"]["required"] = ["quick", "full"]
    shared = {"description": "A block that is only shared: an anchor for aliases and merge keys."}
    return {
        "title": title,
        **block,
        "patternProperties": {f"^{SHARED}": shared},
        "oneOf": _START,
        "allOf": [_WITH_ALGORITHM],
    }


def _add_own(types: SchemaOfTypes, card: dict[str, Any], schemas: dict[str, type[Any]]) -> None:
    """Allow the own keys of each section, in its card alone."""
    owners: dict[str, list[str]] = {}
    for section, kind in schemas.items():
        own = types.block(kind)
        then = {"properties": own["properties"], "required": own["required"]}
        card["allOf"].append({"if": _of_section(section), "then": then})
        for one in fields(kind):
            owners.setdefault(one.name, []).append(section)
    for name, sections in owners.items():
        card["properties"][name] = {}
        card["allOf"].append({"if": {"not": _of_section(*sections)}, "then": {"properties": {name: False}}})


def _of_section(*names: str) -> dict[str, Any]:
    return {"properties": {"section": {"enum": list(names)}}}
