"""The check of a model's environments at the start of a session, and what it found."""

from __future__ import annotations

import weakref

from stable_baselines3.common.vec_env import VecEnv

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.environments import check_environments

_FOUND: weakref.WeakKeyDictionary[VecEnv, list[Finding]] = weakref.WeakKeyDictionary()


def check_env(env: VecEnv, context: SessionContext) -> None:
    """Step and compare copies of the environments in a vector environment that can be captured without loss."""
    _FOUND[env] = check_environments(env, context)


def faults_of(env: VecEnv) -> list[str]:
    """What differs after a restore, one sentence for each environment; empty without a check."""
    return [one for finding in _FOUND.get(env, ()) for one in finding.lost]


def lines_of(env: VecEnv) -> list[str]:
    """The results of the check for a card; empty without a check."""
    return [finding.line for finding in _FOUND.get(env, ())]
