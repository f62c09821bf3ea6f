"""How the state of an object is read and set, by its methods: no library is imported for it."""

from __future__ import annotations

from typing import Any


def protocol_of(value: Any) -> str | None:
    """Name of the pair of methods that the object offers, None without any. Classes themselves have no state."""
    if isinstance(value, type):
        return None
    for name, (read, write) in _METHODS.items():
        if callable(getattr(value, read, None)) and callable(getattr(value, write, None)):
            return name
    if isinstance(getattr(getattr(value, "bit_generator", None), "state", None), dict):
        return "bit_generator"
    if callable(getattr(value, "random_raw", None)) and isinstance(getattr(value, "state", None), dict):
        return "state"
    return None


def state_of(value: Any) -> Any:
    """The state of an object with a protocol."""
    protocol = protocol_of(value)
    if protocol == "bit_generator":  # numpy.random.Generator
        return value.bit_generator.state
    if protocol == "state":  # a bit generator of numpy
        return value.state
    return getattr(value, _METHODS[str(protocol)][0])()


def load_object(value: Any, state: Any) -> None:
    """Set the state of an object with a protocol."""
    protocol = protocol_of(value)
    if protocol == "bit_generator":
        value.bit_generator.state = state
    elif protocol == "state":
        value.state = state
    else:
        getattr(value, _METHODS[str(protocol)][1])(state)


_METHODS = {
    "state_dict": ("state_dict", "load_state_dict"),
    "get_state": ("get_state", "set_state"),
    "getstate": ("getstate", "setstate"),
}
"""torch modules, optimizers and schedulers; generators of torch and older numpy; `random` and `random.Random`."""
