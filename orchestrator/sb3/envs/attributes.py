"""The attributes of environments, wrappers, callbacks and algorithms as a tree for a state file.

The capture is that of `run.keep`; only the bytes are stored otherwise: as arrays in the tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder


class Capture(Encoder):
    """Turns objects into a tree.

    Args:
        outside: Objects that are captured elsewhere, by name; a reference to one is stored as its name.
    """

    def __init__(self, outside: Mapping[str, Any]) -> None:
        super().__init__(outside=outside)
        self._inside_instance = 1  # every value is an attribute

    def _store(self, described: dict[str, Any], content: bytes) -> dict[str, Any]:
        dtype = described.get("dtype", "uint8") if described["is"] != "tensor" else "uint8"
        made = np.frombuffer(content, dtype=np.dtype(dtype)) if content else np.zeros(0, dtype=np.uint8)
        if described["is"] == "array" and content:
            made = made.reshape(described["shape"])
        return {**described, "of": made}


class Restore(Decoder):
    """Restores trees that one `Capture` made, in the same order.

    Args:
        outside: The objects that are captured elsewhere, by name.
        lenient: Keep the fresh object where one could not be captured.
    """

    def __init__(self, outside: Mapping[str, Any], *, lenient: bool = False) -> None:
        super().__init__([], outside=outside, lenient=lenient)

    def _content(self, node: dict[str, Any]) -> bytes:
        content: bytes = node["of"].tobytes()
        return content
