"""The parts of a training's state that a script named, as attributes."""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.training.kept_state.comparison import node_digest
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.protocols import protocol_of


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

    def _digests(self, *, objects: bool = False) -> dict[str, str]:
        """Digest of each part; by default without objects that have methods of their own."""
        digests = {}
        for name, value in self._names.items():
            if objects or protocol_of(value) is None:
                encoder = Encoder()
                digests[name] = node_digest(encoder.part(value, name), encoder.buffers)
        return digests

    def _capture(self) -> tuple[dict[str, Any], list[bytes], list[str]]:
        """All parts encoded, their buffers, and what cannot be kept."""
        parts: dict[str, Any] = {}
        encoder = Encoder()
        for name, value in self._names.items():
            first, before = encoder.count, len(encoder.lost)
            node = encoder.part(value, name)
            parts[name] = {"value": node, "first": first, "lost": len(encoder.lost) > before}
        return parts, encoder.buffers, encoder.lost
