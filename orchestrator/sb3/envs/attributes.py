"""The attributes of environments, wrappers, callbacks and algorithms as a tree for a state file.

The capture is that of `run.keep`; only the bytes are stored otherwise: as arrays in the tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import orchestrator.kernel.training.kept_state.processes  # noqa: F401 - adds the rule of SubprocVecEnv
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.rules.registry import has_attributes, rule_of

ATTRIBUTES, _RULED = "attributes", "ruled"
"""Keys of the state of an environment, wrapper or layer: of its attributes, or of all that its rule saves."""


class Capture(Encoder):
    """Turns objects into a tree.

    Args:
        outside: Objects that are captured elsewhere, by name; a reference to one is stored as its name.
    """

    def __init__(self, outside: Mapping[str, Any]) -> None:
        super().__init__(outside=outside)
        self._inside_instance = 1  # every value is an attribute

    def layer(self, one: Any) -> dict[str, Any]:
        """The state of an environment, a wrapper or a layer, by its rule or its attributes."""
        name, rule = type(one).__name__, rule_of(one)
        if rule is not None and not has_attributes(rule):
            return {_RULED: self.ruled(one, rule, name)}
        state = self.instance(one, name)
        return {ATTRIBUTES: state.pop("of"), **state}

    def _store(self, described: dict[str, Any], content: bytes) -> dict[str, Any]:
        dtype = described.get("dtype", "uint8") if described["is"] != "tensor" else "uint8"
        made = np.frombuffer(content, dtype=np.dtype(dtype)) if content else np.zeros(0, dtype=np.uint8)
        if described["is"] == "array" and content:
            made = made.reshape(described["shape"])
        return {**described, "of": made}


def is_ruled(one: Any) -> bool:
    """Whether an environment, a wrapper or a layer has a rule."""
    return rule_of(one) is not None


class Restore(Decoder):
    """Restores trees that one `Capture` made, in the same order.

    Args:
        outside: The objects that are captured elsewhere, by name.
        lenient: Keep the fresh object where one could not be captured.
    """

    def __init__(self, outside: Mapping[str, Any], *, lenient: bool = False) -> None:
        super().__init__([], outside=outside, lenient=lenient)

    def layer(self, one: Any, tree: Mapping[str, Any]) -> None:
        """Restore the state of an environment, a wrapper or a layer.

        Raises:
            ValueError: It does not fit.
        """
        if _RULED in tree:
            self.decode(tree[_RULED], one)
        else:
            self.instance(one, {**tree, "of": tree[ATTRIBUTES]})

    def _content(self, node: dict[str, Any]) -> bytes:
        content: bytes = node["of"].tobytes()
        return content
