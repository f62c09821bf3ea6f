"""Evaluates policies and classical controllers under every condition, on the same hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.kernel.wire import digest_of
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.evaluation.classical import families_of, tuned
from validation_ch7.section_7_7_robustness.evaluation.hours import Hours
from validation_ch7.section_7_7_robustness.evaluation.kept import KeptEvaluations
from validation_ch7.section_7_7_robustness.evaluation.policies import TrainedPolicy
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split

_REPEATED = 2


class LeftStudy(Exception):
    """The session had to stop before everything was evaluated; what was evaluated is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is evaluated.

    Attributes:
        environment: The crossing, the same for all.
        conditions: The nominal one first.
        controllers: Names of the classical controllers; empty for all.
        policies: The trained policies.
        n_hours: Test hours of each condition.
        tuning_scenarios: Hours of nominal demand on which the classical controllers are tuned.
    """

    environment: Mapping[str, float]
    conditions: tuple[Condition, ...]
    controllers: tuple[str, ...]
    policies: tuple[TrainedPolicy, ...]
    n_hours: int
    tuning_scenarios: int


@dataclass(slots=True, kw_only=True)
class Study:
    """What was measured.

    Attributes:
        setting: What was evaluated.
        tuned: Classical controller -> how its parameters were chosen.
        results: Condition -> controller -> its hours. Policies have the names of `TrainedPolicy`.
        repeat_faults: Results that were not reproduced when measured again.
        spent_s: Controller -> wall seconds of this session.
    """

    setting: Setting
    tuned: dict[str, Tuning] = field(default_factory=dict)
    results: dict[Condition, dict[str, Hours]] = field(default_factory=dict)
    repeat_faults: list[str] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    name: str
    controller: Controller
    environment: Mapping[str, Any]
    depends_on: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a study needs from its session.

    Attributes:
        must_leave: Whether the session must stop now; called before each evaluation.
        monotonic: Seconds, for measuring durations.
        measured: Receives the wall seconds of an evaluation, for the deadline.
        say: Receives a line about the progress.
        name: Of the session, for the record of tunings.
        nonce: Chooses what is measured again.
    """

    must_leave: Callable[[], bool]
    monotonic: Callable[[], float]
    measured: Callable[[float], None]
    say: Callable[[str], None]
    name: str
    nonce: str


def conduct(setting: Setting, kept: KeptEvaluations, session: Session) -> Study:
    """Evaluate everything that is not kept from an earlier session.

    Raises:
        LeftStudy: The session must stop; everything measured so far is saved.
        ValueError: A controller is unknown.
    """
    study = Study(setting=setting)
    try:
        candidates = _candidates(study, kept, session)
        for condition in setting.conditions:
            of_condition = study.results.setdefault(condition, {})
            for candidate in candidates:
                _leave_if_due(session)
                of_condition[candidate.name] = _hours(study, candidate, condition, kept, session)
            session.say(f"{condition}: " + ", ".join(_mean(name, hours) for name, hours in of_condition.items()))
        for place, candidate in enumerate(candidates):
            _leave_if_due(session)
            condition = setting.conditions[(int(digest_of(session.nonce)[:8], 16) + place) % len(setting.conditions)]
            study.repeat_faults += _repeat_faults(study, candidate, condition)
    finally:
        kept.save()
    return study


def _candidates(study: Study, kept: KeptEvaluations, session: Session) -> list[_Candidate]:
    """The classical controllers, tuned, then the policies."""
    setting = study.setting
    settings = EnvironmentSettings.from_mapping(setting.environment)
    found = []
    tunings = KeptResults(kept.tunings, session.name)
    for name, family in families_of(setting.controllers).items():
        _leave_if_due(session)
        started_s = session.monotonic()
        tuning = tuned(
            family,
            study.tuned,
            environment=setting.environment,
            n_scenarios=setting.tuning_scenarios,
            kept=tunings,
        )
        tunings.keep_for_later(complete=False)
        study.tuned[name] = tuning
        study.spent_s[name] = session.monotonic() - started_s
        if tuning.from_session is None:
            session.measured(study.spent_s[name])
            kept.count()
        depends_on = {"controller": name, "parameters": dict(tuning.chosen)}
        found.append(
            _Candidate(
                name=name,
                controller=tuning.controller(settings),
                environment=setting.environment,
                depends_on=depends_on,
            )
        )
    for policy in setting.policies:
        environment = {**policy.environment, **setting.environment}
        depends_on = {"policy_digest": policy.digest, "identity": digest_of(dict(policy.identity))}
        found.append(
            _Candidate(name=policy.name, controller=policy.controller, environment=environment, depends_on=depends_on)
        )
    return found


def _hours(study: Study, candidate: _Candidate, condition: Condition, kept: KeptEvaluations, session: Session) -> Hours:
    n_hours = study.setting.n_hours
    what = {
        **candidate.depends_on,
        "environment": dict(candidate.environment),
        "family": condition.name,
        "severity": condition.severity,
        "n_hours": n_hours,
    }
    found = kept.find(what, n_hours)
    if found is not None:
        return found
    started_s = session.monotonic()
    hours = evaluated(candidate.controller, condition, candidate.environment, n_hours)
    spent_s = session.monotonic() - started_s
    study.spent_s[candidate.name] = study.spent_s.get(candidate.name, 0.0) + spent_s
    session.measured(spent_s)
    kept.add(what, hours)
    return hours


def evaluated(
    controller: Controller,
    condition: Condition,
    environment: Mapping[str, Any],
    n_hours: int,
    first_index: int = 0,
) -> Hours:
    """One controller under one condition, on test hours.

    Args:
        controller: The controller.
        condition: The condition.
        environment: The crossing, as `EnvironmentSettings` reads it.
        n_hours: Number of hours.
        first_index: Index of the first one.
    """
    result = evaluate(
        condition.seen_by(controller),
        environment=environment,
        split=Split.TEST,
        n_scenarios=n_hours,
        first_index=first_index,
        draw=condition.draw,
    )
    return Hours.of(result)


def _repeat_faults(study: Study, candidate: _Candidate, condition: Condition) -> list[str]:
    """Measure two hours again, which detects numbers of other code and controllers that depend on the batch."""
    before = study.results[condition][candidate.name].to_array()
    n_hours = min(_REPEATED, study.setting.n_hours)
    again = evaluated(candidate.controller, condition, candidate.environment, n_hours).to_array()
    if np.array_equal(again, before[:, :n_hours], equal_nan=True):
        return []
    return [f"{candidate.name} under {condition} is not reproducible: measured again, its first hours differ."]


def _mean(name: str, hours: Hours) -> str:
    return f"{name} {hours.delay_s_per_veh.mean():.2f} s"


def _leave_if_due(session: Session) -> None:
    if session.must_leave():
        raise LeftStudy
