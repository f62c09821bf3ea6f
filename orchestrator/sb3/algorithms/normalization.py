"""Running normalization: saved beside a model, and applied to a trained policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from orchestrator.kernel.checkpoint.normalization_file import (
    RunningStatistics,
    SavedNormalization,
    normalization_path,
    read_normalization,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalization:
    """Normalization of a policy's observations at one moment of its training.

    Attributes:
        mean: Of each feature, shape (features,).
        variance: Of each feature, shape (features,).
        epsilon: Added to the variance.
        clip: Bound of a normalized value.
        count: Number of observations behind the statistics; None in files of an earlier version.
    """

    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    epsilon: float
    clip: float
    count: float | None = None

    def __call__(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Normalize raw observations, shape (batch, features), like `VecNormalize.normalize_obs`."""
        scaled = (observations - self.mean) / np.sqrt(self.variance + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)

    def to_tree(self) -> dict[str, Any]:
        """As a tree for a state file."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Normalization:
        """Read the tree of `to_tree`.

        Raises:
            TypeError: A key is missing or unknown.
        """
        return cls(**tree)


def normalization_of(model: BaseAlgorithm) -> Normalization | None:
    """The current normalization of a model's observations, None if they are not normalized or are a `Dict`."""
    layer = model.get_vec_normalize_env()
    if layer is None or not layer.norm_obs or isinstance(cast(Any, layer.obs_rms), dict):
        return None
    statistics = box_statistics(layer)
    return Normalization(
        mean=np.array(statistics.mean),
        variance=np.array(statistics.var),
        epsilon=float(layer.epsilon),
        clip=float(layer.clip_obs),
        count=float(statistics.count),
    )


def returns_of(model: BaseAlgorithm) -> RunningStatistics | None:
    """The current statistics of a model's discounted returns, None without a `VecNormalize`."""
    layer = model.get_vec_normalize_env()
    if layer is None:
        return None
    found = layer.ret_rms
    return RunningStatistics(mean=float(found.mean), var=float(found.var), count=float(found.count))


def saved_normalization(
    model: BaseAlgorithm,
    *,
    model_sha256: str,
    observations: Normalization | None,
    returns: RunningStatistics | None,
) -> SavedNormalization | None:
    """Content of the statistics file beside a model zip, None if nothing is normalized, or a `Dict`.

    Args:
        model: The model in training.
        model_sha256: Of the zip.
        observations: Normalization at the moment when the zip was made.
        returns: Statistics at the same moment; None if an earlier version did not store them.
    """
    layer = model.get_vec_normalize_env()
    if layer is None or not (layer.norm_obs or layer.norm_reward):
        return None
    if isinstance(cast(Any, getattr(layer, "obs_rms", None)), dict):
        return None  # the file has no place for several statistics; the state file has them
    return SavedNormalization(
        model_sha256=model_sha256,
        norm_obs=observations is not None,
        norm_reward=layer.norm_reward,
        clip_obs=float(layer.clip_obs) if observations is None else observations.clip,
        clip_reward=float(layer.clip_reward),
        gamma=float(layer.gamma),
        epsilon=float(layer.epsilon) if observations is None else observations.epsilon,
        obs_rms=None if observations is None else _as_lists(observations),
        ret_rms=returns,
    )


def load_normalization(path: Path | str, venv: VecEnv) -> VecNormalize:
    """Wrap an environment in the normalization of a saved model, so that the policy acts as in training.

    The statistics stay fixed, and rewards are not normalized.

    Args:
        path: The model's zip; its statistics file lies beside it, with the same stem.
        venv: The environment, with the wrappers that the training had inside the normalization (listed in the
            model's `acts_through`, outermost first).

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: The statistics are damaged, belong to another model, or have another shape than the observations.
    """
    saved = read_normalization(Path(path))
    layer = VecNormalize(
        venv,
        training=False,
        norm_obs=saved.norm_obs,
        norm_reward=False,
        clip_obs=saved.clip_obs,
        clip_reward=saved.clip_reward,
        gamma=saved.gamma,
        epsilon=saved.epsilon,
    )
    if saved.obs_rms is not None:
        if saved.obs_rms.shape != venv.observation_space.shape:
            raise ValueError(
                f"{normalization_path(Path(path)).name} has statistics for observations of shape"
                f" {saved.obs_rms.shape}, the environment gives {venv.observation_space.shape}"
            )
        _load_statistics(box_statistics(layer), saved.obs_rms)
    if saved.ret_rms is not None:
        _load_statistics(layer.ret_rms, saved.ret_rms)
    return layer


def _as_lists(observations: Normalization) -> RunningStatistics:
    return RunningStatistics(
        mean=np.asarray(observations.mean).tolist(),
        var=np.asarray(observations.variance).tolist(),
        count=observations.count,
    )


def _load_statistics(statistics: RunningMeanStd, saved: RunningStatistics) -> None:
    statistics.mean = np.array(saved.mean, dtype=np.float64)
    statistics.var = np.array(saved.var, dtype=np.float64)
    if saved.count is not None:
        statistics.count = saved.count


def box_statistics(layer: VecNormalize) -> RunningMeanStd:
    """Statistics of a layer's observations, which must be one `Box`.

    Raises:
        ValueError: The observations are a `Dict` of boxes.
    """
    statistics: object = layer.obs_rms  # a dict for `Dict` observations, although the library's types omit it
    if not isinstance(statistics, RunningMeanStd):
        raise ValueError("normalized observations can only be saved if they are a single Box, not a Dict")
    return statistics
