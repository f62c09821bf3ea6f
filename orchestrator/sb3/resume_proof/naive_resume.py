"""Usual ways to resume a training: the controls of the proof, which must end in another state.

Both use this project's schedules of the absolute step, so that a difference comes from missing state and not from
changed schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from orchestrator.sb3.resume_proof.reward_digest import RewardRecord

PLAIN = "plain save/load"
DOCUMENTED = "documented practice"

_MODEL, _REPLAY, _NORMALIZATION = "model.zip", "replay.pkl", "vecnormalize.pkl"


def train_with_usual_resume(
    build: Callable[[], tuple[BaseAlgorithm, RewardRecord]],
    *,
    seams: Sequence[int],
    target_steps: int,
    folder: Path,
    documented: bool,
) -> tuple[BaseAlgorithm, RewardRecord]:
    """Train to the target; at every seam save, build a new model and environment, and load.

    Args:
        build: Builds a fresh model and its environment, as a new process would.
        seams: Absolute steps, each at a rollout's end.
        folder: For the files; they are replaced at every seam.
        documented: Also save and load the replay buffer and the `VecNormalize`, if there are any.
            Source: https://stable-baselines3.readthedocs.io/en/master/guide/examples.html (its sections on the
            replay buffer and on normalizing), and RL Baselines3 Zoo, which does the same.

    Returns:
        The last model, and the record of all rewards.
    """
    model, record = build()
    for seam in seams:
        _learn_to(model, seam)
        _save(model, folder, documented=documented)
        fresh, fresh_record = build()
        fresh_record.go_on_from(record)
        model, record = _load(fresh, folder, documented=documented), fresh_record
    _learn_to(model, target_steps)
    return model, record


def _save(model: BaseAlgorithm, folder: Path, *, documented: bool) -> None:
    model.save(folder / _MODEL)
    layer = model.get_vec_normalize_env()
    if documented and layer is not None:
        layer.save(str(folder / _NORMALIZATION))
    if documented and isinstance(model, OffPolicyAlgorithm):
        model.save_replay_buffer(folder / _REPLAY)


def _load(fresh: BaseAlgorithm, folder: Path, *, documented: bool) -> BaseAlgorithm:
    """Load into the environment of a fresh model, with the same layers around it."""
    env, layer = fresh.env, fresh.get_vec_normalize_env()
    if documented and layer is not None:
        env = VecNormalize.load(str(folder / _NORMALIZATION), layer.venv)
    model = type(fresh).load(folder / _MODEL, env=env, device=fresh.device)
    if documented and isinstance(model, OffPolicyAlgorithm):
        model.load_replay_buffer(folder / _REPLAY)
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _learn_to(model: BaseAlgorithm, steps: int) -> None:
    model.learn(steps - model.num_timesteps, reset_num_timesteps=False)
