"""The state of a `VecNormalize` in a training: captured for the side file, and restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics, SavedNormalization
from orchestrator.sb3.algorithms.normalization import box_statistics


def capture_normalization(layer: VecNormalize) -> dict[str, Any]:
    """Everything that the next steps of a `VecNormalize` depend on.

    Its `old_obs` and `old_reward` are left out: the next step replaces them before they are read, and the newest raw
    observation is saved with the algorithm.
    """
    observations = _capture_statistics(box_statistics(layer)) if layer.norm_obs else None
    return {
        "training": layer.training,
        "observations": observations,
        "rewards": _capture_statistics(layer.ret_rms),
        "returns": layer.returns.copy(),
    }


def restore_normalization(layer: VecNormalize, tree: Mapping[str, Any]) -> None:
    """Restore the tree of `capture_normalization`.

    Raises:
        ValueError: The layer normalizes something else, or has another number of environments.
    """
    if tree["returns"].shape != layer.returns.shape:
        raise ValueError(
            f"the saved normalization has {len(tree['returns'])} environments, this training {len(layer.returns)}"
        )
    restore_statistics(layer, tree)
    layer.returns = tree["returns"].copy()


def restore_statistics(layer: VecNormalize, tree: Mapping[str, Any]) -> None:
    """Restore only the statistics of such a tree; the returns of running episodes stay unchanged.

    Raises:
        ValueError: The layer normalizes something else.
    """
    if (tree["observations"] is not None) is not layer.norm_obs:
        raise ValueError("observations are normalized in only one of the checkpoint and this training")
    layer.training = tree["training"]
    if layer.norm_obs:
        _restore_statistics(box_statistics(layer), tree["observations"])
    _restore_statistics(layer.ret_rms, tree["rewards"])


def tree_of(saved: SavedNormalization, *, n_envs: int, steps: int) -> dict[str, Any]:
    """The tree of a layer with the statistics of a file, at the start of new episodes.

    Args:
        saved: The file.
        n_envs: Number of environments of the layer.
        steps: Steps of the file's model; replaces a count that an earlier version did not store.
    """

    def statistics(found: RunningStatistics) -> dict[str, Any]:
        count = float(steps) if found.count is None else found.count
        return {"mean": np.array(found.mean), "variance": np.array(found.var), "count": count}

    return {
        "training": True,
        "observations": None if saved.obs_rms is None else statistics(saved.obs_rms),
        "rewards": _capture_statistics(RunningMeanStd()) if saved.ret_rms is None else statistics(saved.ret_rms),
        "returns": np.zeros(n_envs),
    }


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
