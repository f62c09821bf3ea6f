"""JSON Schema of the dataclasses that describe a file: types, defaults, limits, and descriptions from docstrings."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal

from orchestrator.core.errors import BadInput
from orchestrator.core.section.lineage import plain
from orchestrator.core.section.size_limits import LIMITS, MOST_ITEMS, MOST_WHOLE
from orchestrator.kernel.algorithms.plans import JSON_SCHEMA

_NAMES: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)
"""An entry of the part `Attributes:` of a docstring in Google style."""


class SchemaOfTypes:
    """Builds schemas that share their definitions.

    Attributes:
        definitions: `$defs`: name -> schema of a dataclass.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def block(self, kind: type[Any], *, without: Collection[str] = ()) -> dict[str, Any]:
        """Schema of a mapping with the fields of a dataclass; no other key is allowed.

        Args:
            without: Fields that are no keys of a file.

        Raises:
            BadInput: The limits of a field are not keywords of JSON Schema.
        """
        hints, texts = typing.get_type_hints(kind), _attributes(kind)
        known = [one for one in fields(kind) if one.name not in without]
        properties = {}
        for one in known:
            schema = self._bounded(self._value(hints[one.name]), one)
            text = {"description": texts[one.name]} if one.name in texts else {}
            properties[one.name] = {**text, **schema, **_default(one, hints[one.name])}
        required = [one.name for one in known if one.default is MISSING and one.default_factory is MISSING]
        summary = _summary(kind)
        return {
            **({"description": summary} if summary else {}),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _value(self, kind: Any) -> dict[str, Any]:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(kind, type) and is_dataclass(kind):
            return {"$ref": f"#/$defs/{self._defined(kind)}"}
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (typing.Union, types.UnionType):
            members = [self._value(one) for one in arguments]
            if all(one.keys() == {"type"} for one in members):
                return {"type": [one["type"] for one in members]}
            return {"anyOf": members}
        if origin in (list, tuple, Sequence) or kind in (list, tuple):
            return self._list(origin or kind, arguments)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self._value(arguments[1])}
        return {} if kind is Any else {"type": _NAMES[kind]}

    def _list(self, outer: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if outer is tuple and arguments and arguments[-1] is not Ellipsis:
            items = [self._value(one) for one in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": self._value(arguments[0] if arguments else Any), "maxItems": MOST_ITEMS}

    def _defined(self, kind: type[Any]) -> str:
        """Name of the definition of a dataclass; two classes of one name have two definitions."""
        if kind not in self._names:
            taken = sum(other.__name__ == kind.__name__ for other in self._names)
            name = self._names[kind] = kind.__name__ + (f"_{taken + 1}" if taken else "")
            self.definitions[name] = self.block(kind)
        return self._names[kind]

    def _bounded(self, schema: dict[str, Any], one: Field[Any]) -> dict[str, Any]:
        """The schema with the limits of its field, and with the upper limits that every whole number has."""
        limits = _limits(one)
        for_items = limits.pop("items", None)
        if schema.get("type") in ("integer", ["integer", "null"]):
            most = LIMITS.get(one.name, MOST_WHOLE)
            limits["maximum"] = min(most, limits.get("maximum", most))
            if "exclusiveMinimum" not in limits:
                limits.setdefault("minimum", -most)
        if for_items:
            schema = {**schema, "items": {**schema["items"], **for_items}}
        return {**schema, **limits}


def _limits(one: Field[Any]) -> dict[str, Any]:
    """The keywords that a field adds to the schema of its type.

    Raises:
        BadInput: They are not a mapping of plain values.
    """
    given = one.metadata.get(JSON_SCHEMA, {})
    try:
        return dict(plain(dict(given), JSON_SCHEMA))
    except (TypeError, ValueError) as fault:
        raise BadInput(
            f"{one.name}: its metadata {JSON_SCHEMA!r} is {given!r}, not keywords of JSON Schema",
            remedy=f'Correct schema.py, for example: field(metadata={{"{JSON_SCHEMA}": {{"minimum": 0}}}})',
        ) from fault


def _default(one: Field[Any], kind: Any) -> dict[str, Any]:
    """The default of a field, if JSON can hold it; an empty text stands for one that the loader finds itself.

    None as the default of a type without None stands for a key that is left out.
    """
    if one.default is None and (kind is not Any and type(None) not in typing.get_args(kind)):
        return {}
    try:
        value = one.default_factory() if one.default_factory is not MISSING else one.default
        return {} if value is MISSING or value == "" else {"default": plain(value, one.name)}
    except Exception:  # a default that is not allowed: `load_card` reports it for a card that leaves the key out
        return {}


def _summary(kind: type[Any]) -> str:
    """First paragraph of a docstring; empty for one that `dataclass` wrote."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    return "" if text.startswith(f"{kind.__name__}(") else _joined(text)


def _attributes(kind: type[Any]) -> dict[str, str]:
    """Texts of the attributes in the docstrings of a class and its bases."""
    return {name: text for base in reversed(kind.__mro__) for name, text in _documented(base)}


def _documented(kind: type[Any]) -> Iterator[tuple[str, str]]:
    _, _, part = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    for name, text in _ATTRIBUTE.findall(part.partition("\n\n")[0]):
        yield name, _joined(text)


def _joined(text: str) -> str:
    return " ".join(text.split())
