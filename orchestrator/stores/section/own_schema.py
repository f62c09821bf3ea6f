"""Loads a section's own schema: the dataclass `Schema` of `schema.py` in the section's folder.

The file is read by its path: neither the section's package nor its libraries are imported.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.abc
import importlib.util
import inspect
import re
import sys
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import RESERVED_KEYS, SectionCard, card_kind
from orchestrator.core.section.size_limits import script_fault
from orchestrator.kernel.wire import code_folder
from orchestrator.stores.yaml.text_files import read_text

FILE, CLASS = "schema.py", "Schema"
_REMEDY = f"Correct {FILE}; CONTRIBUTING.md describes a section's schema. Nothing was started."
_PLAIN = (bool, int, float, str, type(None), Any)


def kind_of_card(sections: Path, plain: Any) -> type[SectionCard]:
    """The type of a section's card: the orchestrator's keys and the section's own ones.

    Args:
        sections: `validation_ch7` of the project.
        plain: The card's values, not checked yet.

    Raises:
        BadInput: The section's schema cannot be used.
    """
    for folder in _folders(sections, plain):
        path = folder / FILE
        if path.is_file() and (_is_own(folder, sections) or _declares_schema(path)):
            return card_kind(cast("Hashable", load_schema(path)))
    return SectionCard


def _folders(sections: Path, plain: Any) -> list[Path]:
    """The folder of the script or of the entry point's module; the card's `directory` where that is wrong."""
    block = plain if isinstance(plain, dict) else {}
    script, directory = block.get("script"), str(block.get("directory") or block.get("section"))
    folders = []
    if isinstance(script, str) and not script_fault(script):
        folders.append(sections.parent / code_folder({"script": script}))
    *packages, _ = str(block.get("entry_point")).split(".")
    if packages and all(map(str.isidentifier, packages)):
        folders.append(sections.parent.joinpath(*packages))
    return [*folders, sections / directory] if directory.replace("-", "_").isidentifier() else folders


def _is_own(folder: Path, sections: Path) -> bool:
    """Whether a folder below `validation_ch7` is a section's: a `schema.py` there is meant for its card."""
    return folder.parent == sections


def _declares_schema(path: Path) -> bool:
    """Whether a file declares a dataclass `Schema`. Beside a user's own code, `schema.py` may be something else."""
    text = read_text(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return re.search(rf"^class {CLASS}\b", text, re.MULTILINE) is not None
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == CLASS)
    return any("dataclass" in ast.unparse(decorator) for node in classes for decorator in node.decorator_list)


def load_schema(path: Path) -> type[Any]:
    """The dataclass `Schema` of a file; equal texts give the same class.

    Raises:
        BadInput: It is not Python, imports more than the standard library, fails, or declares no usable schema.
    """
    text = read_text(path)
    try:
        return _loaded(text)
    except _Unusable as fault:
        raise BadInput(f"{path}{fault}", remedy=_REMEDY) from fault


class _Unusable(Exception):
    """Why a schema cannot be used; the text follows the file's path."""


class _Loader(importlib.abc.InspectLoader):
    """Runs a text as a module, and writes no bytecode into the user's folder."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, fullname: str) -> str:
        """The module's text."""
        return self._text


@lru_cache(maxsize=64)
def _loaded(text: str) -> type[Any]:
    _require_standard_library(text)
    name = f"section_schema_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_loader(name, _Loader(text))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and type hints look their module up there
    try:
        spec.loader.exec_module(module)
        schema = getattr(module, CLASS, None)
        if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
            raise _Unusable(f": it declares no dataclass {CLASS}")
        _require_usable(schema)
    except _Unusable:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as fault:
        del sys.modules[name]
        raise _Unusable(f": it cannot be loaded: {type(fault).__name__}: {fault}") from fault
    return schema


def _require_standard_library(text: str) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as fault:
        line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
        raise _Unusable(f"{line}: {getattr(fault, 'msg', fault)}") from fault
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        else:
            names = ["." * node.level + (node.module or "")]
        for name in names:
            if name.partition(".")[0] not in sys.stdlib_module_names:
                raise _Unusable(
                    f", line {node.lineno}: it imports {name}; a schema may import the standard library only"
                )


def _require_usable(schema: type[Any]) -> None:
    """Refuse keys that the orchestrator has itself, and types and fields that no YAML file can hold."""
    _require_given(schema)
    for name, kind in typing.get_type_hints(schema).items():
        if name not in {field.name for field in dataclasses.fields(schema)}:
            continue
        if name in RESERVED_KEYS:
            raise _Unusable(f": {CLASS} declares {name}, which is a key of every card")
        _require_plain(kind, name, ())


def _require_given(kind: type[Any]) -> None:
    """Refuse fields that are no argument of the dataclass, or an argument that it does not keep."""
    names = {field.name for field in dataclasses.fields(kind)}
    derived = [field.name for field in dataclasses.fields(kind) if not field.init]
    dropped = [name for name in inspect.signature(kind).parameters if name not in names]
    if derived or dropped:
        what = f"{derived[0]} with init=False" if derived else f"{dropped[0]} as an InitVar"
        raise _Unusable(f": {kind.__name__} declares {what}; a value that follows from others is a property")


def _require_plain(kind: Any, place: str, inside: tuple[Any, ...]) -> None:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if kind in inside:
            raise _Unusable(f": {place} contains itself")
        _require_given(kind)
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            _require_plain(hints[field.name], f"{place}.{field.name}", (*inside, kind))
    elif origin in (typing.Union, types.UnionType, list, tuple, Sequence):
        for one in arguments:
            if one is not Ellipsis:
                _require_plain(one, place, inside)
    elif isinstance(origin, type) and issubclass(origin, Mapping) and arguments[:1] == (str,):
        _require_plain(arguments[1], place, inside)
    elif origin is not Literal and kind not in _PLAIN:
        shown = getattr(kind, "__name__", kind)
        raise _Unusable(
            f": {place} has the type {shown}; a card holds bool, int, float, str, None, lists, mappings and dataclasses"
        )
