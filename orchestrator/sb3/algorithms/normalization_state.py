"""The state of a `VecNormalize` in a training: captured for the side file, and continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics, SavedNormalization
from orchestrator.sb3.algorithms.normalization import box_statistics


def capture_normalization(layer: VecNormalize) -> dict[str, Any]:
    """All that a `VecNormalize` goes on with.

    What it keeps of the newest step (`old_obs`, `old_reward`) is not among it: the next step replaces it before it
    is looked at, and the newest raw observation is kept with the algorithm, which stores it.
    """
    observations = _capture_statistics(box_statistics(layer)) if layer.norm_obs else None
    return {
        "training": layer.training,
        "observations": observations,
        "rewards": _capture_statistics(layer.ret_rms),
        "returns": layer.returns.copy(),
    }


def restore_normalization(layer: VecNormalize, tree: Mapping[str, Any]) -> None:
    """Go on from such a tree.

    Raises:
        ValueError: It is of a layer that normalizes something else, or of another number of environments.
    """
    if tree["returns"].shape != layer.returns.shape:
        raise ValueError(
            f"the normalization is of {len(tree['returns'])} environments, and here are {len(layer.returns)}"
        )
    restore_statistics(layer, tree)
    layer.returns = tree["returns"].copy()


def restore_statistics(layer: VecNormalize, tree: Mapping[str, Any]) -> None:
    """Go on from the statistics of such a tree; the returns of running episodes stay as they are.

    Raises:
        ValueError: It is of a layer that normalizes something else.
    """
    if (tree["observations"] is not None) is not layer.norm_obs:
        raise ValueError("observations are normalized in only one of the checkpoint and this training")
    layer.training = tree["training"]
    if layer.norm_obs:
        _restore_statistics(box_statistics(layer), tree["observations"])
    _restore_statistics(layer.ret_rms, tree["rewards"])


def tree_of(saved: SavedNormalization, *, n_envs: int, steps: int) -> dict[str, Any]:
    """The tree of a layer whose statistics lie in a file, at the beginning of new episodes.

    Args:
        saved: The file.
        n_envs: Environments of the layer.
        steps: Of its model; taken for a count that an earlier version did not keep.
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
