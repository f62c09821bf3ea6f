"""How the state of an object is read and set, by its methods: no library is imported for it."""

from __future__ import annotations

import importlib
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of


def protocol_of(value: Any) -> str | None:
    """Name of the pair of methods that the object offers, None without any. Classes themselves have no state."""
    if isinstance(value, type):
        return None
    for name, (read, write) in _METHODS.items():
        if _offers(value, read) and _offers(value, write):
            return name
    if not any(module_of(one).startswith("numpy.") for one in type(value).__mro__):
        return None
    if isinstance(getattr(getattr(value, "bit_generator", None), "state", None), dict):
        return "bit_generator"
    if callable(getattr(value, "random_raw", None)) and isinstance(getattr(value, "state", None), dict):
        return "state"
    return None


def _offers(value: Any, method: str) -> bool:
    """Whether the class has a method, or the object itself: a wrapper may forward the methods of what is inside."""
    own = getattr(value, "__dict__", None)
    return callable(getattr(type(value), method, None)) or (isinstance(own, dict) and callable(own.get(method)))


def kind_of(value: Any) -> str:
    """Class of an object with a protocol; of a generator of numpy with that of its bits."""
    bits = f"#{type(value.bit_generator).__name__}" if protocol_of(value) == "bit_generator" else ""
    return class_name(type(value)) + bits


def can_be_built(value: Any) -> bool:
    """Whether `build_object` builds such an object: an environment may make its generator after `keep`."""
    on_cpu = getattr(getattr(value, "device", None), "type", "cpu") == "cpu"
    return class_name(type(value)) in _BUILT and on_cpu


def build_object(kind: str) -> Any:
    """A generator of a kind, None for other objects."""
    name, _, bits = kind.partition("#")
    if name not in _BUILT:
        return None
    return _BUILT[name](importlib.import_module(name.partition(":")[0].partition(".")[0]), bits)


def state_of(value: Any) -> Any:
    """The state of an object with a protocol."""
    protocol = protocol_of(value)
    if protocol == "bit_generator":  # numpy.random.Generator
        return _state_of_bits(value.bit_generator)
    if protocol == "state":  # a bit generator of numpy
        return _state_of_bits(value)
    return getattr(value, _METHODS[str(protocol)][0])()


def load_object(value: Any, state: Any) -> None:
    """Set the state of an object with a protocol."""
    protocol = protocol_of(value)
    if protocol == "bit_generator":
        _set_bits(value, state)
    elif protocol == "state":
        _load_bits(value, state)
    else:
        getattr(value, _METHODS[str(protocol)][1])(state)


def _state_of_bits(bits: Any) -> dict[str, Any]:
    """State, and the seeds from which further generators are spawned."""
    seeds = getattr(bits, "seed_seq", None)
    names = [name for name in _SEEDS if hasattr(seeds, name)]
    return {**bits.state, "seeds": {name: getattr(seeds, name) for name in names} if len(names) == 4 else None}


def _set_bits(generator: Any, state: Any) -> None:
    kind = state["bit_generator"]
    if type(generator.bit_generator).__name__ != kind:
        raise ValueError(f"the checkpoint holds a generator of {kind}, the script another one")
    _load_bits(generator.bit_generator, state)


def _load_bits(bits: Any, state: Any) -> None:
    plain = {name: value for name, value in state.items() if name != "seeds"}
    seeds = state.get("seeds")
    if seeds is None or _state_of_bits(bits)["seeds"] == seeds:
        bits.state = plain
        return
    numpy = importlib.import_module("numpy")
    try:
        bits.__setstate__((plain, numpy.random.SeedSequence(**seeds)))
    except (TypeError, ValueError):  # numpy 1 cannot replace the seeds; a comparison then finds the difference
        bits.state = plain


_SEEDS = ("entropy", "spawn_key", "pool_size", "n_children_spawned")
_BUILT: dict[str, Any] = {
    "numpy.random._generator:Generator": lambda numpy, bits: numpy.random.Generator(getattr(numpy.random, bits)()),
    "numpy.random.mtrand:RandomState": lambda numpy, bits: numpy.random.RandomState(),
    "random:Random": lambda random, bits: random.Random(),
    "torch._C:Generator": lambda torch, bits: torch.Generator(),
}
_METHODS = {
    "state_dict": ("state_dict", "load_state_dict"),
    "get_state": ("get_state", "set_state"),
    "getstate": ("getstate", "setstate"),
}
"""torch modules, optimizers and schedulers; generators of torch and older numpy; `random` and `random.Random`."""
