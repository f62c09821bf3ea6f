"""The part of a card's JSON Schema for entries of RL Zoo, which a card's `algorithms` may hold as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core.section.card import LEARNING_FIELDS
from orchestrator.core.zoo.algorithms import ALGORITHMS, NOISE, Algorithm
from orchestrator.core.zoo.card_block import STEPS

_NUMBER, _TEXT = "RlZooNumber", "RlZooText"
_DEFINITIONS: dict[str, Any] = {
    _NUMBER: {
        "description": "A number, or yes, no, on or off, as YAML 1.1 has them: 1_000_000, 1e6.",
        "type": "string",
        "pattern": r"^\s*([-+]?[0-9.][0-9_.]*([eE][-+]?[0-9]+)?|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff])\s*$",
    },
    _TEXT: {
        "description": 'Python literals as RL Zoo writes them, for example "dict(net_arch=[64, 64])".',
        "type": "string",
        "pattern": r"[({\[]",
    },
}
_NOT_SCALAR = frozenset({"schedule", "class", "noise", "mapping", "frequency"})
_ACTIVATION = {"type": "string", "pattern": r"^((torch|th)\.)?nn\.\w+$"}


def add_entries(card: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Allow entries in the schema of a card.

    Args:
        card: The schema of the card; changed.
        definitions: Its `$defs`; changed.
    """
    definitions |= _DEFINITIONS
    for algorithm in ALGORITHMS.values():
        _add_forms(definitions, algorithm)
    blocks = definitions["Algorithms"]["properties"]
    blocks |= {one.stem: blocks[one.name] for one in ALGORITHMS.values()}
    properties = card["properties"]
    names = [name for one in ALGORITHMS.values() for name in dict.fromkeys((one.name, one.stem))]
    properties["algorithm"]["anyOf"][0]["enum"] = names
    keys = {key for one in ALGORITHMS.values() for key in _block(definitions, one)["properties"]}
    entry = {"type": "object", "minProperties": 1, "propertyNames": {"enum": sorted(keys)}}
    own = properties["algorithms"]
    own["anyOf"] = [{"$ref": own.pop("$ref")}, entry]
    card["allOf"] += map(_declared, ALGORITHMS.values())


def with_steps_of_entries(profiles: dict[str, Any]) -> dict[str, Any]:
    """The schema of the profiles of a card with an algorithm: an entry may give the target of `full`."""
    full = {"required": [one for one in LEARNING_FIELDS if one != "target_steps"]}
    return {"properties": {"full": full}, **profiles}


def _declared(algorithm: Algorithm) -> dict[str, Any]:
    """A card with this algorithm has its hyper-parameters: in a block of its own, or alone."""
    chosen = {"required": ["algorithm"], "properties": {"algorithm": {"enum": [algorithm.name, algorithm.stem]}}}
    alone = {"$ref": f"#/$defs/{algorithm.name}HyperParameters", "minProperties": 1}
    declared = [{"required": [algorithm.name]}, {"required": [algorithm.stem]}, alone]
    return {"if": chosen, "then": {"properties": {"algorithms": {"anyOf": declared}}}}


def _block(definitions: dict[str, Any], algorithm: Algorithm) -> dict[str, Any]:
    block: dict[str, Any] = definitions[f"{algorithm.name}HyperParameters"]
    return block


def _add_forms(definitions: dict[str, Any], algorithm: Algorithm) -> None:
    """Allow RL Zoo's forms of the values of a block, and its further keys."""
    block = _block(definitions, algorithm)
    properties, strict = block["properties"], {}
    for key, schema in properties.items():
        for form in _forms(key, algorithm):
            properties[key] = _or(properties[key], {"$ref": f"#/$defs/{form}"}, schema)
            if form == _NUMBER:
                strict[key] = {"not": {"$ref": f"#/$defs/{_NUMBER}"}}
    # A block that is no entry is YAML 1.2, as the rest of a card.
    block |= {"if": {"not": {"required": [STEPS]}}, "then": {"properties": strict}}
    number = {"type": "number", "exclusiveMinimum": 0}
    properties[STEPS] = {
        "description": "Steps of the whole training: target_steps of the profile full.",
        "anyOf": [number, {"$ref": f"#/$defs/{_NUMBER}"}],
    }
    if "action_noise" in algorithm.constructor.arguments:
        properties[NOISE[0]] = {"enum": ["normal", "ornstein-uhlenbeck", None]}
        properties[NOISE[1]] = {"anyOf": [{"type": ["number", "null"]}, {"$ref": f"#/$defs/{_NUMBER}"}]}
    policy = definitions[f"{algorithm.name}PolicyKwargs"]["properties"]
    if "activation_fn" in policy:
        policy["activation_fn"] = _or(policy["activation_fn"], _ACTIVATION, policy["activation_fn"])


def _forms(key: str, algorithm: Algorithm) -> Iterator[str]:
    argument = algorithm.constructor.arguments.get(key)
    types = argument.types if argument else frozenset()
    if key in ("normalize", "policy_kwargs") or types & {"mapping", "frequency"}:
        yield _TEXT
    if key in ("n_envs", "frame_stack") or "frequency" in types or (types and not types & _NOT_SCALAR):
        yield _NUMBER


def _or(schema: dict[str, Any], other: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """A schema that another one satisfies too; description and default stay outside."""
    if schema is first or "anyOf" not in schema:
        outside = {name: one for name, one in schema.items() if name in ("description", "default")}
        inside = {name: one for name, one in schema.items() if name not in outside}
        return {**outside, "anyOf": [inside, other]}
    return {**schema, "anyOf": [*schema["anyOf"], other]}
