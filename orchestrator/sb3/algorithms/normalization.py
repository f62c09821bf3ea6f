"""Running normalization: declared, built, saved beside a model, and applied where a policy only acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizePlan:
    """What of a lineage's environment is normalized, by Stable-Baselines3's `VecNormalize` with its defaults.

    Attributes:
        observations: Each feature to mean 0 and deviation 1 over all that was seen.
        rewards: To deviation 1 of the discounted return.

    Raises:
        ValueError: Nothing is. Then the block must not be there: one training has one name.
    """

    observations: bool
    rewards: bool

    def __post_init__(self) -> None:
        """Refuse a block that says nothing."""
        if not (self.observations or self.rewards):
            raise ValueError("normalize says that nothing is normalized: leave it out")

    def around(self, env: VecEnv, *, gamma: float) -> VecNormalize:
        """Wrap an environment."""
        return VecNormalize(env, norm_obs=self.observations, norm_reward=self.rewards, gamma=gamma)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalization:
    """How the observations of a policy are normalized, as of one moment of its training.

    Attributes:
        mean: Of each feature.
        variance: Of each feature.
        epsilon: Added to the variance.
        clip: Bound of what comes out.
        count: How many observations the statistics are taken over; None where an earlier version did not keep it.
    """

    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    epsilon: float
    clip: float
    count: float | None = None

    def __call__(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What the policy sees of raw observations, shape (batch, features); as `VecNormalize.normalize_obs`."""
        scaled = (observations - self.mean) / np.sqrt(self.variance + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)

    def to_tree(self) -> dict[str, Any]:
        """As a state file holds it."""
        return {
            "mean": self.mean,
            "variance": self.variance,
            "epsilon": self.epsilon,
            "clip": self.clip,
            "count": self.count,
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Normalization:
        """Read it back.

        Raises:
            TypeError: It is none.
        """
        return cls(**tree)


def normalization_of(model: BaseAlgorithm) -> Normalization | None:
    """How the observations of a model in training are normalized now, None if they are not."""
    layer = model.get_vec_normalize_env()
    if layer is None or not layer.norm_obs:
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
    """Statistics of the discounted returns of a model in training now, None without a `VecNormalize`."""
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
    """What the statistics file beside a model zip says; None where nothing is normalized.

    Args:
        model: The training. What it normalizes never changes; the statistics do.
        model_sha256: Of the zip.
        observations: As of the moment that the zip is of.
        returns: As of the same moment; None where an earlier version did not keep them.
    """
    layer = model.get_vec_normalize_env()
    if layer is None or not (layer.norm_obs or layer.norm_reward):
        return None
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
    """Put the normalization of a saved model around an environment, to act there as it did in training.

    Nothing is learned from what is seen, and rewards stay as they are.

    Args:
        path: The model's zip; its statistics file lies beside it, with the same stem.
        venv: The environment, with the layers that the training had inside of the normalization (the model's
            `acts_through` names them, from outside to inside).

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: The statistics are damaged, another model's, or of other observations than the environment's.
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
                f"{normalization_path(Path(path)).name} is of observations of shape {saved.obs_rms.shape},"
                f" the environment gives {venv.observation_space.shape}"
            )
        _put(box_statistics(layer), saved.obs_rms)
    if saved.ret_rms is not None:
        _put(layer.ret_rms, saved.ret_rms)
    return layer


def _as_lists(observations: Normalization) -> RunningStatistics:
    return RunningStatistics(
        mean=np.asarray(observations.mean).tolist(),
        var=np.asarray(observations.variance).tolist(),
        count=observations.count,
    )


def _put(statistics: RunningMeanStd, saved: RunningStatistics) -> None:
    statistics.mean = np.array(saved.mean, dtype=np.float64)
    statistics.var = np.array(saved.var, dtype=np.float64)
    if saved.count is not None:
        statistics.count = saved.count


def box_statistics(layer: VecNormalize) -> RunningMeanStd:
    """Statistics of a layer's observations, which must be one box.

    Raises:
        ValueError: They are of another kind.
    """
    statistics: object = layer.obs_rms  # by key where observations are a dict, whatever the library declares
    if not isinstance(statistics, RunningMeanStd):
        raise ValueError("only the normalization of one box of observations can be kept")
    return statistics
