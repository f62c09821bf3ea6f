"""Captures every random generator of a training as plain values, and restores it bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import gymnasium
import numpy as np
import torch


def capture_python() -> dict[str, Any]:
    """State of the module `random`."""
    version, words, gauss_next = random.getstate()
    return {"version": version, "words": np.array(words, dtype=np.uint64), "gauss_next": gauss_next}


def restore_python(state: Mapping[str, Any]) -> None:
    """Restore the module `random`.

    Raises:
        ValueError: The state comes from an incompatible version of Python.
    """
    random.setstate((state["version"], tuple(int(word) for word in state["words"]), state["gauss_next"]))


def capture_numpy() -> dict[str, Any]:
    """State of numpy's global generator, which draws exploration and replay batches."""
    return _plain_dict(np.random.get_state(legacy=False))


def restore_numpy(state: Mapping[str, Any]) -> None:
    """Restore numpy's global generator."""
    np.random.set_state(dict(state))


def capture_generator(generator: np.random.Generator) -> dict[str, Any]:
    """State of one numpy generator; its integers may have 128 bits."""
    return _plain_dict(generator.bit_generator.state)


def restore_generator(generator: np.random.Generator, state: Mapping[str, Any]) -> None:
    """Restore one numpy generator.

    Raises:
        ValueError: The state belongs to another kind of generator.
    """
    generator.bit_generator.state = dict(state)


class Cuda(Protocol):
    """The functions of `torch.cuda` that are used; tests without a GPU replace them."""

    def is_available(self) -> bool:
        """Whether there is a device."""
        ...

    def device_count(self) -> int:
        """Number of devices."""
        ...

    def get_rng_state_all(self) -> list[torch.Tensor]:
        """State of each device's generator."""
        ...

    def set_rng_state(self, new_state: torch.Tensor, device: int) -> None:
        """Restore one device's generator."""
        ...


_CUDA = cast(Cuda, torch.cuda)


def capture_torch(cuda: Cuda = _CUDA) -> dict[str, Any]:
    """States of torch's CPU generator and of each CUDA device's."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state().numpy().copy()}
    if cuda.is_available():
        state["cuda"] = [device.cpu().numpy().copy() for device in cuda.get_rng_state_all()]
    return state


def restore_torch(state: Mapping[str, Any], cuda: Cuda = _CUDA) -> None:
    """Restore torch's generators: the CPU's, and those of CUDA devices that both machines have.

    A state from a machine without CUDA has none; the resume grade is then not `exact` because the device differs.
    """
    torch.set_rng_state(torch.from_numpy(np.array(state["cpu"])))
    devices = cuda.device_count() if cuda.is_available() else 0
    for index, device in enumerate(state.get("cuda", ())[:devices]):
        cuda.set_rng_state(torch.from_numpy(np.array(device)), index)


def capture_space(space: gymnasium.Space[Any]) -> list[dict[str, Any]]:
    """States of the generators of an action space and of the spaces inside it, which draw random actions."""
    return [capture_generator(part.np_random) for part in parts_of_space(space)]


def restore_space(space: gymnasium.Space[Any], states: list[dict[str, Any]]) -> None:
    """Restore the generators of an action space.

    Raises:
        ValueError: The number of spaces inside it differs.
    """
    for part, state in zip(parts_of_space(space), states, strict=True):
        restore_generator(part.np_random, state)


@contextmanager
def untouched_generators() -> Iterator[None]:
    """Context manager: restores the global generators at its end."""
    python, numpy, torch_states = capture_python(), capture_numpy(), capture_torch()
    try:
        yield
    finally:
        restore_python(python)
        restore_numpy(numpy)
        restore_torch(torch_states)


def parts_of_space(space: gymnasium.Space[Any]) -> list[gymnasium.Space[Any]]:
    """A space and the spaces inside it, in a fixed order."""
    inner: list[gymnasium.Space[Any]] = []
    if isinstance(space, gymnasium.spaces.Dict):
        inner = [space.spaces[name] for name in sorted(space.spaces)]
    elif isinstance(space, gymnasium.spaces.Tuple):
        inner = list(space.spaces)
    return [space, *(part for child in inner for part in parts_of_space(child))]


def _plain_dict(state: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): _plain(item) for key, item in state.items()}


def _plain(value: Any) -> Any:
    """Convert numpy's state of a generator (dicts, arrays, scalars) to the types of a state file."""
    if isinstance(value, Mapping):
        return _plain_dict(value)
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.item() if isinstance(value, np.generic) else value
