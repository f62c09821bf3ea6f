"""Compares encoded parts: as saved and as captured again after a restore, and of one training and another."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from orchestrator.kernel.training.kept_state.objects.places import PLACE, is_place

_GENERATOR = "random generator of "


def node_digest(node: Any, buffers: list[bytes]) -> str:
    """Hex sha256 of an encoded part. Numbers of its buffers do not count, their bytes do."""

    def with_digests(one: Any) -> Any:
        if is_place(one):
            return PLACE
        if isinstance(one, dict):
            return {key: _sha256(buffers[of]) if key == "buffer" else with_digests(of) for key, of in one.items()}
        return [with_digests(item) for item in one] if isinstance(one, list) else one

    return _sha256(json.dumps(with_digests(node)).encode())


def random_name(library: str) -> str:
    """How a comparison names a random generator, e.g. `random generator of numpy`."""
    return f"{_GENERATOR}{library.replace('torch_cuda', 'torch on the GPU')}"


def is_generator(name: str) -> bool:
    """Whether a name is of `random_name`."""
    return name.startswith(_GENERATOR)


def file_name(path: str) -> str:
    """How a comparison names a file of the script's own."""
    return f"file {path}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def same_part(node: Any, buffers: list[bytes], saved: Any, saved_buffers: list[bytes]) -> bool:
    """Whether two encoded parts are equal; their buffers have other numbers."""
    if isinstance(saved, dict) and saved.get("is") in ("fresh", PLACE):  # each process has its own
        return True
    if isinstance(node, dict) and isinstance(saved, dict):
        if node.keys() != saved.keys():
            return False
        pairs = ((key, node[key], saved[key]) for key in node)
        return all(
            buffers[one] == saved_buffers[other] if key == "buffer" else same_part(one, buffers, other, saved_buffers)
            for key, one, other in pairs
        )
    if isinstance(node, list) and isinstance(saved, list):
        return len(node) == len(saved) and all(
            same_part(one, buffers, other, saved_buffers) for one, other in zip(node, saved, strict=True)
        )
    return type(node) is type(saved) and bool(node == saved)
