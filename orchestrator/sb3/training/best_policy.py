"""The best policy of a training, for evaluation; separate from the model that continues to learn."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from stable_baselines3.common.policies import BasePolicy

from orchestrator.kernel.checkpoint.card import read_card
from orchestrator.kernel.wire import BEST_MODEL_CARD, MODEL_SUFFIX
from orchestrator.sb3.state.finite import non_finite_parts
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import read_parameters
from orchestrator.sb3.training.history import BestModel
from orchestrator.sb3.training.training_state import TrainingState


def best_policy(training: TrainingState) -> tuple[BestModel, BasePolicy]:
    """The best model so far, and its policy with exactly the parameters that were evaluated.

    Raises:
        ValueError: Nothing was evaluated yet, or the stored zip does not match the best model's card, or its policy
            has another digest.
        ArithmeticError: One of its weights is NaN or infinite.
    """
    best = training.record.best
    if best is None:
        raise ValueError(f"there is no best model after {training.steps} steps: no evaluation was made")
    model = training.model
    stated = read_card(training.context.models_dir / BEST_MODEL_CARD).sha256_of(MODEL_SUFFIX)
    parameters = read_parameters(best.model_zip, sha256=stated, device=model.device)
    policy = copy.deepcopy(model.policy)
    policy.load_state_dict(cast("Mapping[str, Any]", parameters["policy"]))
    policy.set_training_mode(False)
    if policy_digest(policy) != best.policy_digest:
        raise ValueError(f"the best model's file does not hold the policy of {best.steps} steps")
    broken = next(non_finite_parts(policy.state_dict()), None)
    if broken is not None:  # code of an earlier version did not check this
        raise ArithmeticError(
            f"the best model, of {best.steps} steps, cannot be evaluated: its {broken.part} is not finite\n"
            "Fix the cause, then start over: `run ... --fresh`."
        )
    return best, policy
