"""Finds the rule of an object; scripts, sections and installed packages add rules of their own."""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.training.kept_state.objects.program import class_name
from orchestrator.kernel.training.kept_state.rules.ale import AleRule
from orchestrator.kernel.training.kept_state.rules.box2d import Box2dRule
from orchestrator.kernel.training.kept_state.rules.mujoco import MjDataRule, MjModelRule

ENTRY_POINTS = "orchestrator.environment_rules"
"""Group of entry points of installed packages; each names a class of rules without arguments."""


@runtime_checkable
class EnvironmentRule(Protocol):
    """Saves and restores the objects of one kind.

    A rule may also have `watch(value)`: called once, before the training steps; it may return an object to put in the
    place of `value`. With `with_attributes = True` a rule saves only what an object hides; its attributes are saved as
    those of other objects. A rule with `replays = True` claims environments and needs neither `save` nor `load`: they
    are restored by repeating their newest episode.
    """

    def claims(self, value: Any) -> bool:
        """Whether the rule is for this object; called for every object, so it must be quick."""
        ...

    def save(self, value: Any) -> Any:
        """Its state: numbers, texts, bytes, arrays, and containers of these. Changes nothing.

        Raises:
            NotSaved: It cannot be saved; resumes are then `statistical`.
        """
        ...

    def load(self, value: Any, state: Any) -> None:
        """Give a freshly built object this state."""
        ...


BUILT_IN: list[Any] = [MjDataRule(), MjModelRule(), AleRule(), Box2dRule()]
_ADDED: list[Any] = []


def add_rule(rule: Any) -> None:
    """Add a rule; it comes before the built-in ones and before rules that were added earlier.

    Raises:
        TypeError: It lacks a method.
    """
    needed = ("claims",) if replays(rule) else ("claims", "save", "load")
    missing = [name for name in needed if not callable(getattr(rule, name, None))]
    if missing or isinstance(rule, type):
        what = "pass an object, not the class" if isinstance(rule, type) else f"it has no {missing[0]}()"
        raise TypeError(f"an environment rule needs claims(value), save(value) and load(value, state): {what}")
    if rule not in _ADDED:
        _ADDED.insert(0, rule)


def added_rules() -> tuple[Any, ...]:
    """The rules that were added, newest first."""
    return tuple(_ADDED)


def remove_rule(rule: Any) -> None:
    """Remove an added rule, if it is there."""
    if rule in _ADDED:
        _ADDED.remove(rule)


@lru_cache(maxsize=1)
def add_installed_rules() -> None:
    """Add the rules of installed packages, once for each process.

    Raises:
        SessionRefused: One cannot be loaded.
    """
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            add_rule(entry.load()())
        except Exception as fault:
            raise SessionRefused(
                f"the environment rule {entry.name} ({entry.value}) cannot be loaded: {fault}",
                remedy="Fix or uninstall the package that declares it.",
            ) from fault


def rule_of(value: Any) -> Any:
    """The rule that claims an object, None without one."""
    return next((rule for rule in (*_ADDED, *BUILT_IN) if rule.claims(value)), None)


def replays(rule: Any) -> bool:
    """Whether a rule restores environments by repeating their newest episode."""
    return getattr(rule, "replays", False) is True


def has_attributes(rule: Any) -> bool:
    """Whether attributes of the objects of a rule are saved beside what it saves."""
    return replays(rule) or getattr(rule, "with_attributes", False) is True


def rule_name(rule: Any) -> str:
    """How a checkpoint names a rule."""
    return class_name(type(rule))
