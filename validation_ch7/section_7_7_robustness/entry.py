"""Section 7.7 in one session: evaluate under every condition, judge, write the results. It trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.schema import own_values
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.run import Run
from orchestrator.kernel.training.session import session
from validation_ch7.section_7_7_robustness.conditions.all_conditions import conditions_of
from validation_ch7.section_7_7_robustness.evaluation.classical import families_of
from validation_ch7.section_7_7_robustness.evaluation.kept import KeptEvaluations
from validation_ch7.section_7_7_robustness.evaluation.policies import load_policies
from validation_ch7.section_7_7_robustness.evaluation.study import LeftStudy, Session, Setting, Study, conduct
from validation_ch7.section_7_7_robustness.schema import Schema
from validation_ch7.section_7_7_robustness.verdict import WITHOUT_POLICY
from validation_ch7.section_7_7_robustness.write_results import conclude

POLICIES = Path(__file__).parent / "policies"
_FEWEST_HOURS = 2  # fewer have no interval


def run(context: SessionContext) -> SectionOutcome:
    """Run one session of the section; called by the kernel.

    Returns:
        `FINISHED` with the verdict; `PAUSED` or `STOPPED` if the session had to stop: the next one continues with the
        evaluations so far.

    Raises:
        SessionRefused: The checkpoint must not be continued.
        ValueError: The spec is invalid, or a policy cannot be used; the message names the key or the policy.
        ArithmeticError: A policy has weights that are not finite.
    """
    own = own_values(Schema, context.ticket.spec)
    setting = setting_of(context.ticket.spec, own, POLICIES)
    say = context.reporter.say
    say(f"Policies: {', '.join(policy.name for policy in setting.policies)}" if setting.policies else WITHOUT_POLICY)
    say(f"{len(setting.conditions)} conditions of {setting.n_hours} hours; severity 0 is nominal")
    with session(context=context) as training:
        outcome = _evaluate(context, training, setting, own)
    if outcome.verdict is not None:
        say(f"Verdict: {outcome.verdict.value}. {outcome.verdict_reasons[0]}")
    return outcome


def _evaluate(context: SessionContext, training: Run, setting: Setting, own: Schema) -> SectionOutcome:
    kept = KeptEvaluations(training)
    try:
        study = conduct(setting, kept, _session(context, training))
    except LeftStudy:
        context.reporter.say(f"{kept.n_measured} evaluations more are kept; the next session continues")
        return _left(context, training)
    if kept.n_found:
        context.reporter.say(f"{kept.n_found} evaluations are from earlier sessions")
    return _concluded(context, training, study, own)


def setting_of(spec: Mapping[str, Any], own: Schema, policies: Path) -> Setting:
    """What a ticket's spec asks to evaluate.

    Args:
        spec: The spec.
        own: The section's own keys in it.
        policies: Folder of the collected policies.

    Raises:
        ValueError: The spec is invalid, or a policy cannot be used.
    """
    profile = spec["profile"]
    for key, known in (("families", own.study.families), ("controllers", own.study.controllers)):
        if profile not in known:
            raise ValueError(f"study.{key} has nothing for the profile {profile}; it has {', '.join(known)}")
    n_hours = spec["evaluation_scenarios"] or 0
    if n_hours < _FEWEST_HOURS:
        raise ValueError(f"profiles.{profile}.evaluation_scenarios must be at least {_FEWEST_HOURS}, not {n_hours}")
    environment = asdict(own.environment)
    families_of(own.study.controllers[profile])  # an unknown controller is refused before a policy is loaded
    return Setting(
        environment=environment,
        conditions=conditions_of(own.study.families[profile]),
        controllers=own.study.controllers[profile],
        policies=load_policies(policies, environment),
        n_hours=n_hours,
        tuning_scenarios=own.study.tuning_scenarios,
    )


def _session(context: SessionContext, training: Run) -> Session:
    ticket = context.ticket
    return Session(
        must_leave=lambda: training.should_stop,
        monotonic=context.monotonic,
        measured=lambda spent_s: context.deadline.measured("evaluate", spent_s),
        say=context.reporter.say,
        name=f"{ticket.run_id}/s{ticket.session:02d}",
        nonce=ticket.nonce,
    )


def _left(context: SessionContext, training: Run) -> SectionOutcome:
    """The outcome of a session that must stop, also where an earlier one was finished with other policies."""
    ending = KernelEnding.STOPPED if context.stop.requested else KernelEnding.PAUSED
    return replace(training.outcome(), ending=ending, verdict=None, verdict_reasons=())


def _concluded(context: SessionContext, training: Run, study: Study, own: Schema) -> SectionOutcome:
    judgement, summary = conclude(context, study, own.criteria)
    training.finish()
    training.end()
    outcome = training.outcome(verdict=judgement.verdict, verdict_reasons=judgement.reasons, summary=summary)
    return replace(outcome, ending=KernelEnding.FINISHED)
