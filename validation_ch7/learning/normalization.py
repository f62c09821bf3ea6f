"""Running normalization of observations and rewards: declared, built, kept, and applied where a policy only acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize


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
    """

    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    epsilon: float
    clip: float

    def __call__(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What the policy sees of raw observations, shape (batch, features); as `VecNormalize.normalize_obs`."""
        scaled = (observations - self.mean) / np.sqrt(self.variance + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)

    def to_tree(self) -> dict[str, Any]:
        """As a state file holds it."""
        return {"mean": self.mean, "variance": self.variance, "epsilon": self.epsilon, "clip": self.clip}

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
    statistics = _of_one_box(layer)
    return Normalization(
        mean=np.array(statistics.mean),
        variance=np.array(statistics.var),
        epsilon=float(layer.epsilon),
        clip=float(layer.clip_obs),
    )


def capture_normalization(layer: VecNormalize) -> dict[str, Any]:
    """All that a `VecNormalize` goes on with.

    What it keeps of the newest step (`old_obs`, `old_reward`) is not among it: the next step replaces it before it
    is looked at, and the newest raw observation is kept with the algorithm, which stores it.
    """
    observations = _capture_statistics(_of_one_box(layer)) if layer.norm_obs else None
    return {
        "training": layer.training,
        "observations": observations,
        "rewards": _capture_statistics(layer.ret_rms),
        "returns": layer.returns.copy(),
    }


def restore_normalization(layer: VecNormalize, tree: Mapping[str, Any]) -> None:
    """Go on from such a tree.

    Raises:
        ValueError: It is of a layer that normalizes something else.
    """
    if (tree["observations"] is not None) is not layer.norm_obs or tree["returns"].shape != layer.returns.shape:
        raise ValueError("the state is of another normalization")
    layer.training = tree["training"]
    if layer.norm_obs:
        _restore_statistics(_of_one_box(layer), tree["observations"])
    _restore_statistics(layer.ret_rms, tree["rewards"])
    layer.returns = tree["returns"].copy()


def _of_one_box(layer: VecNormalize) -> RunningMeanStd:
    statistics: object = layer.obs_rms  # by key where observations are a dict, whatever the library declares
    if not isinstance(statistics, RunningMeanStd):
        raise ValueError("only the normalization of one box of observations can be kept")
    return statistics


def _capture_statistics(statistics: RunningMeanStd) -> dict[str, Any]:
    return {
        "mean": np.array(statistics.mean),
        "variance": np.array(statistics.var),
        "count": float(statistics.count),
    }


def _restore_statistics(statistics: RunningMeanStd, tree: Mapping[str, Any]) -> None:
    statistics.mean = np.array(tree["mean"])
    statistics.var = np.array(tree["variance"])
    statistics.count = tree["count"]
