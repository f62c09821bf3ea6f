"""The parts of a training's state that a script named, as attributes."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from orchestrator.kernel.training.kept_state.arrays import is_array
from orchestrator.kernel.training.kept_state.comparison import node_digest
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.logs import OpenFiles
from orchestrator.kernel.training.kept_state.objects.program import module_of


class Kept:
    """Kept parts by name. Setting an attribute changes what the next save writes."""

    _names: dict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "_names", {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(f"no part {name!r} is kept; call keep({name}=...) first") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise AttributeError(f"no part {name!r} is kept; call keep({name}=...) first")
        self._names[name] = value

    def _add(self, parts: dict[str, Any]) -> None:
        for name in parts:
            if name in self._names or name.startswith("_"):
                raise ValueError(f"keep({name}=...): the name is already kept, or begins with an underscore")
        self._names.update(parts)

    def _digests(self) -> dict[str, str]:
        """Digest of each part."""
        return {name: self._digest(name, value)[0] for name, value in self._names.items()}

    def _replaceable(self) -> dict[str, tuple[str, bool]]:
        """Digest of each part that a script may replace by mistake, and whether such a value cannot change in place.

        Objects with methods or attributes of their own, and parts that cannot be kept, have none.
        """
        found = {}
        for name, value in self._names.items():
            digest, lost = self._digest(name, value) if _is_plain(value) else ("", True)
            if not lost:
                found[name] = (digest, not hasattr(value, "__setitem__") and not isinstance(value, set))
        return found

    def _digest(self, name: str, value: Any) -> tuple[str, bool]:
        """Digest of a part, and whether something of it cannot be kept."""
        encoder = Encoder()
        return node_digest(encoder.part(value, name), encoder.buffers), bool(encoder.lost)

    def _capture(
        self, templates: Set[str] | None = None, met: set[str] | None = None
    ) -> tuple[dict[str, Any], list[bytes], list[str]]:
        """All parts encoded, their buffers, and what cannot be kept.

        Args:
            templates: What a fresh script has; see `Encoder`.
            met: Receives what this script has.
        """
        parts: dict[str, Any] = {}
        encoder = Encoder(templates=templates)
        for name, value in self._names.items():
            first, before = encoder.count, len(encoder.lost)
            node = encoder.part(value, name)
            parts[name] = {"value": node, "first": first, "lost": len(encoder.lost) > before}
        if met is not None:
            met |= encoder.met
        return parts, encoder.buffers, encoder.lost

    def _open_files(self) -> OpenFiles:
        """The files that the parts hold open."""
        return OpenFiles(self._names)

    def _objects(self) -> list[Any]:
        """All objects in the parts, in the order of the capture."""
        encoder = Encoder()
        for name, value in self._names.items():
            encoder.part(value, name)
        return encoder.objects


def _is_plain(value: Any) -> bool:
    """Whether it is a number, a text, an array, or a container of the standard library."""
    return value is None or is_array(value) or module_of(type(value)) in ("builtins", "collections")
