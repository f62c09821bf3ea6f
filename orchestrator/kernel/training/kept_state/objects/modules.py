"""What a torch module holds beside its `state_dict`: attributes of its own classes, modes, and further buffers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of

_PLAIN = (bool, int, float, str, type(None))


def is_module(value: Any) -> bool:
    """Whether it is a torch module."""
    kind = getattr(getattr(sys.modules.get("torch"), "nn", None), "Module", None)
    return isinstance(kind, type) and isinstance(value, kind)


def beside_state(module: Any) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Name, values and owner of what a module and each module inside it hold beside `state_dict`.

    The modules of torch itself give only plain values: the rest of their attributes is structure.
    """
    empty = vars(sys.modules["torch"].nn.Module())
    for name, one in module.named_modules():
        whole = type(one).__module__.partition(".")[0] != "torch"
        values = {
            key: value
            for key, value in attributes_of(one)
            if (key not in empty and (whole or type(value) in _PLAIN)) or key == "training"
        }
        further = sorted(one._non_persistent_buffers_set)
        yield name, values | {f"buffer {key}": one._buffers[key] for key in further}, one


def set_beside(owner: Any, key: str, value: Any) -> None:
    """Set one value of `beside_state`."""
    if key.startswith("buffer "):
        owner._buffers[key.removeprefix("buffer ")] = value
    else:
        vars(owner)[key] = value
