"""The section's task: its training environment, and the evaluation of a policy during training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from orchestrator.sb3.algorithms.normalization import Normalization, normalization_of
from orchestrator.sb3.envs.discrete_to_box import as_choices
from orchestrator.sb3.training.training_spec import Lineage
from orchestrator.sb3.training.training_state import Evaluation, Task
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.imitation.predicted_choices import PredictedChoices
from validation_ch7.section_7_6_rl_performance.imitation.teacher import teacher_of
from validation_ch7.traffic.env.senses import senses_of
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.vec_env import SAVED, TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import Split

NAMED_BY_CARDS = (PredictedChoices,)
"""Classes that a card names by their path: only what the section imports travels to a session."""


def traffic_world() -> Task:
    """The task of this section; its crossing comes from the lineage."""
    return Task(build_env=_build_env, evaluate=_evaluate_on_tuning)


def greedy_controller(
    policy: BasePolicy, lineage: Lineage, name: str = "rl", normalization: Normalization | None = None
) -> PolicyController:
    """A policy as a controller that always takes its best action; draws no random number.

    Args:
        policy: The trained policy.
        lineage: Its lineage.
        name: Name in tables.
        normalization: Normalization of its observations; None if they are not normalized.
    """
    settings = EnvironmentSettings.from_mapping(lineage.environment)

    def predict(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.integer]:
        seen = observations if normalization is None else normalization(observations)
        return as_choices(policy.predict(seen, deterministic=True)[0], policy.action_space)

    return PolicyController(predict, settings.decision_s, name, senses_of(settings))


def _build_env(lineage: Lineage) -> TrafficSignalVecEnv:
    _compile_solver(lineage)
    return TrafficSignalVecEnv(
        n_envs=lineage.hyper_parameters.n_envs,
        seed=lineage.seed,
        environment=lineage.environment,
        look_ahead=teacher_of(EnvironmentSettings.from_mapping(lineage.environment)),
    )


def _compile_solver(lineage: Lineage) -> None:
    """Take steps in a separate environment, so that compiling is not part of the measured training time.

    The deadline reserves the longest time between two safe boundaries.
    """
    settings = EnvironmentSettings.from_mapping(lineage.environment)
    env = TrafficSignalVecEnv(n_envs=1, seed=0, environment=lineage.environment, look_ahead=teacher_of(settings))
    env.reset()
    for _ in range(settings.decisions_per_episode):
        _, _, _, infos = env.step(np.zeros(1, dtype=np.int64))
        if settings.learning.look_ahead is None or SAVED in infos[0]:
            break


def _evaluate_on_tuning(model: BaseAlgorithm, lineage: Lineage) -> Evaluation:
    """Mean delay on the first tuning scenarios, which are neither trained on nor tested on."""
    result = evaluate(
        greedy_controller(model.policy, lineage, normalization=normalization_of(model)),
        environment=lineage.environment,
        split=Split.TUNING,
        n_scenarios=lineage.hyper_parameters.selection_scenarios,
    )
    delay_s_per_veh = float(result.delay_s_per_veh.mean())
    measures = {"delay_s_per_veh": delay_s_per_veh, "reward_sum": float(result.reward_sum.mean())}
    return Evaluation(score=-delay_s_per_veh, measures=measures)
