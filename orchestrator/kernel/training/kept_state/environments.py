"""The environments in what a training keeps: prepared before their first step, and each kind checked once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.check.copies import is_environment, layers_of
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.check.step_and_compare import check_environment
from orchestrator.kernel.training.kept_state.processes import check_processes, is_in_processes
from orchestrator.kernel.training.kept_state.rules.registry import add_installed_rules
from orchestrator.kernel.training.kept_state.visit import objects_in
from orchestrator.kernel.training.kept_state.watching import watch

_SLOW_MS = 5.0
"""A step of an episode that a resume repeats is slow from this time on."""


def prepare_environments(value: Any) -> None:
    """Prepare the environments in a value for their first step, if gymnasium is loaded. Can be repeated.

    Raises:
        SessionRefused: The rule of an installed package cannot be loaded.
    """
    if "gymnasium" in sys.modules:
        add_installed_rules()
        watch(value)


def check_environments(value: Any, context: SessionContext) -> list[Finding]:
    """Check each kind of environment of gymnasium in a value by steps of fresh copies.

    What was not checked, and a slow way to restore, is reported.

    Args:
        value: Objects that can be captured without loss. Environments in other processes are checked there.
        context: The session.
    """
    objects = objects_in(value)
    findings = [finding for one in objects if is_in_processes(one) for finding in check_processes(one)]
    kinds: set[tuple[Any, ...]] = set()
    for env in _outermost(objects):
        kind = (*map(type, layers_of(env)), str(getattr(list(layers_of(env))[-1], "spec", None)))
        if kind not in kinds:
            kinds.add(kind)
            findings.append(check_environment(env, context.monotonic))
    for message in _messages(findings):
        context.reporter.say(message)
    return findings


def _messages(findings: list[Finding]) -> Iterator[str]:
    for one in findings:
        if one.unchecked:
            yield f"[CHECKPOINT] Not checked by steps: {one.name}: {one.unchecked}"
        if one.replay_step_ms is not None and one.replay_step_ms >= _SLOW_MS:
            yield (
                f"[CHECKPOINT] A resume repeats the running episode of {one.name}: "
                f"about {one.replay_step_ms:.0f} ms a step"
            )


def _outermost(objects: list[Any]) -> Iterator[Any]:
    """The environments that no wrapper among the objects holds."""
    found = [one for one in objects if is_environment(one)]
    inside = {id(inner) for one in found for inner in list(layers_of(one))[1:]}
    yield from (one for one in found if id(one) not in inside)
