"""The statistics file `{stem}.vecnormalize.json`: how observations and rewards were normalized when a model was saved.

A model zip of Stable-Baselines3 does not hold the statistics of its `VecNormalize`, and the policy is wrong without
them. The library's own `VecNormalize.save` writes a pickle, which can execute code when it is read. This file holds
the same numbers, under the library's names, as plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.kernel.reading.json_text import read_json, shown
from orchestrator.kernel.reading.shapes import ANY, COUNT, FLAG, TEXT, fields, leaf, optional, require
from orchestrator.kernel.wire import MODEL_SUFFIX, NORMALIZATION_SUFFIX

NORMALIZATION_FORMAT = "VecNormalize"
NORMALIZATION_VERSION = 1

_LIMIT_BYTES = 64_000_000
"""Largest file that is read; the statistics of one observation take kilobytes."""
_BOUNDS = ("clip_obs", "clip_reward")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStatistics:
    """Running mean and variance, as in Stable-Baselines3's `RunningMeanStd`.

    Attributes:
        mean: A number, or nested lists of numbers in the shape of one observation.
        var: The variance, in the same shape.
        count: Number of values behind them; None in files of an earlier version, which did not store it.

    Raises:
        ValueError: A number is not finite, a variance is negative, or the shapes differ.
    """

    mean: Any
    var: Any
    count: float | None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        means, variances = list(_numbers(self.mean)), list(_numbers(self.var))
        if _shape(self.mean) != _shape(self.var):
            raise ValueError("the mean and the variance have different shapes")
        if not all(map(math.isfinite, (*means, *variances, self.count or 0.0))) or min(variances, default=0.0) < 0.0:
            raise ValueError("a mean, a variance or a count is not a finite number")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one observation, `()` for rewards."""
        return _shape(self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedNormalization:
    """Content of the statistics file; the names are those of `VecNormalize`.

    Attributes:
        model_sha256: Of the model zip that it belongs to.
        norm_obs: Whether observations are normalized.
        norm_reward: Whether rewards were normalized during training.
        clip_obs: Bound of a normalized observation.
        clip_reward: Bound of a normalized reward.
        gamma: Discount of the returns whose standard deviation scales the rewards.
        epsilon: Added to each variance.
        obs_rms: Statistics of the observations; None if they are not normalized.
        ret_rms: Statistics of the discounted returns; None in files of an earlier version, which did not store them.

    Raises:
        ValueError: `norm_obs` and `obs_rms` contradict each other.
    """

    model_sha256: str
    norm_obs: bool
    norm_reward: bool
    clip_obs: float
    clip_reward: float
    gamma: float
    epsilon: float
    obs_rms: RunningStatistics | None
    ret_rms: RunningStatistics | None

    def __post_init__(self) -> None:
        """Check that statistics exist exactly if observations are normalized."""
        if self.norm_obs != (self.obs_rms is not None):
            raise ValueError("norm_obs and obs_rms contradict each other")

    @property
    def normalizes(self) -> tuple[str, ...]:
        """What was normalized in training: `observations`, `rewards`, or both."""
        return ("observations",) * self.norm_obs + ("rewards",) * self.norm_reward

    def to_bytes(self) -> bytes:
        """The file's bytes. Equal statistics give equal bytes.

        JSON has no infinity, so an infinite bound is written as the text `inf`, which `float` reads.
        """
        plain = {"format": NORMALIZATION_FORMAT, "version": NORMALIZATION_VERSION, **asdict(self)}
        plain |= {name: plain[name] if math.isfinite(plain[name]) else str(plain[name]) for name in _BOUNDS}
        return (json.dumps(plain, indent=2, allow_nan=False) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, content: bytes) -> SavedNormalization:
        """Read a statistics file.

        Raises:
            ValueError: It is not a statistics file of this version, or it contradicts itself.
        """
        plain = read_json(content, "the statistics file")
        if not isinstance(plain, dict) or plain.get("format") != NORMALIZATION_FORMAT:
            raise ValueError("it is not a statistics file")
        if plain.get("version") != NORMALIZATION_VERSION:
            raise ValueError(
                f"statistics version {shown(plain.get('version'))}, this code reads {NORMALIZATION_VERSION}"
            )
        require(_SHAPE, plain, "the statistics file")
        fields_of = {name: value for name, value in plain.items() if name not in ("format", "version")}
        numbers = {name: float(plain[name]) for name in (*_BOUNDS, "gamma", "epsilon")}
        found = {name: plain[name] for name in ("obs_rms", "ret_rms")}
        statistics = {name: None if rms is None else RunningStatistics(**rms) for name, rms in found.items()}
        return cls(**{**fields_of, **numbers, **statistics})


def _is_number(value: Any) -> bool:
    """Whether it is a number that fits into a float; the reader refuses those that are not finite."""
    return isinstance(value, int | float) and not isinstance(value, bool)


_NUMBER = leaf("a number", _is_number)
_BOUND = leaf("a number or inf", lambda one: _is_number(one) or one == "inf")
_STATISTICS = fields({"mean": ANY, "var": ANY, "count": optional(_NUMBER)})
_SHAPE = fields(
    {
        "format": TEXT,
        "version": COUNT,
        "model_sha256": TEXT,
        **dict.fromkeys(("norm_obs", "norm_reward"), FLAG),
        **dict.fromkeys(_BOUNDS, _BOUND),
        **dict.fromkeys(("gamma", "epsilon"), _NUMBER),
        **dict.fromkeys(("obs_rms", "ret_rms"), optional(_STATISTICS)),
    }
)


def normalization_path(model: Path) -> Path:
    """Path of a model's statistics file: beside the zip, with the same stem."""
    return model.with_name(model.name.removesuffix(MODEL_SUFFIX) + NORMALIZATION_SUFFIX)


def read_normalization(model: Path) -> SavedNormalization:
    """Read the statistics file of a model zip, and check that it belongs to exactly this zip.

    Args:
        model: The zip.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: The statistics are damaged or belong to another model.
        OSError: A file cannot be read.
    """
    path = normalization_path(model)
    with path.open("rb") as stream:
        content = stream.read(_LIMIT_BYTES + 1)
    try:
        if len(content) > _LIMIT_BYTES:
            raise ValueError(f"it is larger than {_LIMIT_BYTES} bytes")
        saved = SavedNormalization.from_bytes(content)
    except ValueError as fault:
        raise ValueError(f"{path.name} cannot be read: {fault}") from fault
    found = hashlib.sha256(model.read_bytes()).hexdigest()
    if found != saved.model_sha256:
        raise ValueError(
            f"{path.name} belongs to another model: it names the sha256 {str(saved.model_sha256)[:12]},"
            f" {model.name} has {found[:12]}"
        )
    return saved


def _shape(value: Any) -> tuple[int, ...]:
    """Shape of nested lists.

    Raises:
        ValueError: Lists at the same level have different lengths.
    """
    if not isinstance(value, list):
        return ()
    shapes = {_shape(item) for item in value}
    if len(shapes) > 1:
        raise ValueError("a list of numbers is ragged")
    return (len(value), *next(iter(shapes), ()))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield value
    else:
        raise ValueError(f"{value!r} is not a number")
