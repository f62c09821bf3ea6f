"""Finds NaN and infinite numbers in a training; used before a checkpoint is saved and before one is loaded.

A NaN in a replay buffer has no effect until its batch is drawn; then every weight becomes NaN for good. A checkpoint
that holds one can be complete and verified, but no training can continue from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

CHUNK_NUMBERS = 1 << 16
"""Numbers checked in one pass; small enough for the processor's cache."""
_SHOWN_PARTS = 3

ALLOWED: Mapping[str, str] = {
    r"episode_statistics\.episodes\.\d+\.(?!(r|l)$).+": "what an environment adds to its episode record is for people: "
    "the library averages only `r` and `l`, and nothing learns from any of it",
    r"(environment\.\d+\.\d+|environment|layers\.\d+\.state)\.(attributes|ruled|beside)(\..+)?": "state of an "
    "environment that declares nothing: an infinite bound or first best value is usual there",
    r"environment\.\d+\.\d+\.current_reset_info\..+": "keyword arguments of a reset, which a monitor only copies",
}
"""Parts of a training's state that may hold NaN or an infinity: pattern of the whole path -> reason.

An environment declares its own: see `NON_FINITE_STATE` in `declared_non_finite`.
"""
_ALLOWED = tuple(re.compile(pattern) for pattern in ALLOWED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NonFinite:
    """A part that holds NaN or an infinity.

    Attributes:
        part: Its path, keys joined with dots.
        value: The first such number.
        index: Its index in an array; empty for a scalar.
        found: Count of such numbers.
        size: Count of all numbers of the part.
    """

    part: str
    value: str
    index: tuple[int, ...] = ()
    found: int = 1
    size: int = 1

    def __str__(self) -> str:
        first = f"first at {list(self.index)}: " if self.index else ""
        count = f"{self.found} of {self.size} numbers, " if self.size > 1 else ""
        return f"{self.part} is not finite ({count}{first}{self.value})"


def non_finite_parts(tree: Any, *, path: str = "", may_be: Collection[str] = ()) -> Iterator[NonFinite]:
    """Every part of a tree that holds NaN or an infinity, in the tree's order.

    Args:
        tree: Mappings, lists, tuples, numbers, arrays and tensors; other values are skipped.
        path: Path of the tree within a larger one.
        may_be: Keys of the environment's state that are not checked: see `declared_non_finite`.
    """
    if any(pattern.fullmatch(path) for pattern in _ALLOWED):
        return
    if isinstance(tree, Mapping):
        of_environment = path.partition(".")[0] == "environment"
        for key, item in tree.items():
            if not (of_environment and key in may_be):
                yield from non_finite_parts(item, path=f"{path}.{key}" if path else str(key), may_be=may_be)
    elif isinstance(tree, list | tuple):
        for place, item in enumerate(tree):
            yield from non_finite_parts(item, path=f"{path}.{place}" if path else str(place), may_be=may_be)
    elif isinstance(tree, torch.Tensor):
        yield from _in_tensor(tree, path)
    elif isinstance(tree, np.ndarray):
        yield from _in_array(np.asarray(tree), path)
    elif isinstance(tree, float | complex | np.inexact) and not np.isfinite(tree):
        yield NonFinite(part=path, value=str(tree))


def _in_tensor(tensor: torch.Tensor, path: str) -> Iterator[NonFinite]:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return
    finite = torch.isfinite(tensor.detach())
    if bool(finite.all()):
        return
    broken = (~finite).reshape(-1)
    first = int(broken.to(torch.uint8).argmax())
    value = tensor.detach().reshape(-1)[first].item()
    yield _at(path, tuple(tensor.shape), first, str(value), found=int(broken.sum()))


def _in_array(array: np.ndarray, path: str) -> Iterator[NonFinite]:
    for name in array.dtype.names or ():
        yield from _in_array(array[name], f"{path}.{name}")
    if array.dtype.kind not in "fc":
        return  # integers are finite; the state file refuses arrays of objects
    flat = array.reshape(-1)
    for start in range(0, flat.size, CHUNK_NUMBERS):
        finite = np.isfinite(flat[start : start + CHUNK_NUMBERS])
        if not finite.all():
            first = start + int(finite.argmin())
            found = int(flat.size - np.count_nonzero(np.isfinite(flat)))
            yield _at(path, array.shape, first, str(flat[first]), found=found)
            return


def _at(path: str, shape: tuple[int, ...], first: int, value: str, *, found: int) -> NonFinite:
    index = tuple(int(place) for place in np.unravel_index(first, shape)) if shape else ()
    return NonFinite(part=path, value=value, index=index, found=found, size=math.prod(shape))


def describe_parts(parts: list[NonFinite], training: Mapping[str, Any] | None = None) -> str:
    """One line about what is not finite: details of the first part, and the names of others.

    Args:
        parts: At least one.
        training: The training's state, if known; gives the step at which a row of the replay buffer was filled.
    """
    first, *others = parts
    text = str(_by_row(first, training) if training is not None else first)
    if others:
        names = ", ".join(other.part for other in others[: _SHOWN_PARTS - 1])
        more = len(others) - (_SHOWN_PARTS - 1)
        text += f"; so is {names}" + (f" and {more} more" if more > 0 else "")
    return text


def _by_row(found: NonFinite, training: Mapping[str, Any]) -> NonFinite | str:
    """A part of the replay buffer with its environment and the step when it was filled; other parts unchanged."""
    buffer, (kind, _, name) = training.get("replay_buffer"), found.part.partition(".")
    if buffer is None or kind != "replay_buffer" or not found.index:
        return found
    rows, copies = buffer["rewards"].shape
    if name == "next_values":  # the next observations that no other row holds; `next_places` gives their rows
        name, places = "next_observations", buffer["next_places"][_broken_rows(buffer["next_values"])]
    else:
        places = _broken_rows(buffer[name].reshape(rows * copies, -1))
    row, copy = np.divmod(places, copies)
    ago = (buffer["pos"] - 1 - row) % rows
    first = int(ago.argmax())  # the oldest one, since rows are overwritten in turn
    step = training["counters"]["num_timesteps"] - int(ago[first]) * copies
    place = f"first in row {row[first]} of environment {copy[first]}, filled at step {step}"
    return f"replay_buffer.{name} is not finite ({found.found} of {found.size} numbers, {place}: {found.value})"


def _broken_rows(array: np.ndarray) -> np.ndarray:
    """Indices along the first axis at which a value is not finite."""
    return np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
