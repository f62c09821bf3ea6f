"""How a training is usually resumed: the controls of the proof, which must end elsewhere.

Both keep this project's schedules of the absolute step, so that whatever differs at the end differs for want of
state and not because a schedule was bent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from validation_ch7.learning.reward_record import RewardRecord

PLAIN = "plain save/load"
DOCUMENTED = "documented practice"

_MODEL, _REPLAY = "model.zip", "replay.pkl"


def train_with_usual_resume(
    model: BaseAlgorithm,
    record: RewardRecord,
    build_env: Callable[[], RewardRecord],
    *,
    seams: Sequence[int],
    target_steps: int,
    folder: Path,
    documented: bool,
) -> tuple[BaseAlgorithm, RewardRecord]:
    """Train to the target; at every seam save, forget the model and its environment, build anew and load.

    Args:
        model: A fresh one, in `record`.
        build_env: Builds the environment anew, as a new process would.
        seams: Absolute steps, each at a rollout's end.
        folder: For the files; they are replaced at every seam.
        documented: Save and load the replay buffer too, where the algorithm has one.
            Source: https://stable-baselines3.readthedocs.io/en/master/guide/examples.html (section on saving and
            loading the replay buffer).

    Returns:
        The last model, and the record of all rewards.
    """
    for seam in seams:
        _learn_to(model, seam)
        model.save(folder / _MODEL)
        if documented and isinstance(model, OffPolicyAlgorithm):
            model.save_replay_buffer(folder / _REPLAY)
        fresh = build_env()
        fresh.go_on_from(record)
        loaded = type(model).load(folder / _MODEL, env=fresh, device=model.device)
        if documented and isinstance(loaded, OffPolicyAlgorithm):
            loaded.load_replay_buffer(folder / _REPLAY)
        loaded.set_logger(Logger(folder=None, output_formats=[]))
        model, record = loaded, fresh
    _learn_to(model, target_steps)
    return model, record


def _learn_to(model: BaseAlgorithm, steps: int) -> None:
    model.learn(steps - model.num_timesteps, reset_num_timesteps=False)
