"""Large tables that an environment builds and never changes: a checkpoint holds their digest in place of 0.5 MB."""

from __future__ import annotations

import hashlib
import marshal
import sys
import weakref
from collections.abc import Mapping
from typing import Any

from orchestrator.kernel.training.kept_state.arrays import holds_objects, is_array
from orchestrator.kernel.training.kept_state.objects.program import class_name

_KINDS: Mapping[str, tuple[type, ...]] = {"gymnasium.core:Env": (dict, list, tuple), "gymnasium.spaces.space:Space": ()}
"""Classes whose objects are searched, and the types of their tables; of a space the arrays."""
_LEAST_BYTES, _LEAST_ITEMS = 1 << 14, 64


class Tables:
    """The tables of one object as they were built.

    Args:
        found: Name -> table and its digest.
    """

    def __init__(self, found: Mapping[str, tuple[Any, str]]) -> None:
        self._found = {name: (value, _content(value), digest) for name, (value, digest) in found.items()}

    def built(self, name: str) -> str | None:
        """Digest of a table as it was built, None if there is none of this name."""
        return self._found[name][2] if name in self._found else None

    def digest(self, name: str, value: Any) -> str | None:
        """Digest of an attribute that is an unchanged table, None for others."""
        if name not in self._found or self._found[name][0] is not value:
            return None
        _, content, digest = self._found[name]
        return digest if _content(value) == content else None

    def restored(self, name: str, value: Any) -> Any:
        """The table as it was built."""
        if self.digest(name, value) is not None:
            return value
        table, content, digest = self._found[name]
        if is_array(table):
            made = type(table)(table.shape, table.dtype)
            made[...] = sys.modules["numpy"].frombuffer(content, table.dtype).reshape(table.shape)
        else:
            made = marshal.loads(content)
        self._found[name] = (made, content, digest)
        return made


_OF: dict[int, Tables] = {}
"""By the identity of a living owner. Not in an attribute: a library saves the attributes of spaces in its own files."""


def watch_tables(owner: Any) -> None:
    """Note the tables of an environment or a space of gymnasium, once."""
    kinds = next((_KINDS[name] for name in map(class_name, type(owner).__mro__) if name in _KINDS), None)
    if kinds is None or id(owner) in _OF:
        return
    found = {name: (value, _content(value)) for name, value in vars(owner).items() if _may_be(value, kinds)}
    tables = {
        name: (value, hashlib.sha256(content).hexdigest())
        for name, (value, content) in found.items()
        if content and (is_array(value) or marshal.loads(content) == value)  # numbers of numpy become bytes
    }
    if tables:
        _OF[id(owner)] = Tables(tables)
        weakref.finalize(owner, _OF.pop, id(owner), None)


def tables_of(owner: Any) -> Tables | None:
    """The tables that were noted, None if there are none."""
    return _OF.get(id(owner))


def _may_be(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (not kinds and is_array(value) and hasattr(value, "nbytes"))


def _content(value: Any) -> bytes:
    """Bytes of a large table of plain numbers and texts, empty for other values."""
    if is_array(value):
        return b"" if holds_objects(value) or value.nbytes < _LEAST_BYTES else bytes(value.tobytes())
    if len(value) < _LEAST_ITEMS:
        return b""
    try:
        content = marshal.dumps(value, 2)  # version 2 has no references, which depend on reference counts
    except ValueError:  # it holds objects
        return b""
    return content if len(content) >= _LEAST_BYTES else b""
