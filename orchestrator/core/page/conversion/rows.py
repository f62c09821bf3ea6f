"""The rows of the table: state, steps, rate, grade, verdict and numbers of each training."""

from __future__ import annotations

from functools import reduce

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.trial_status import State
from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.page.conversion.bars import steps_of
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.curves import curve_of
from orchestrator.core.page.conversion.limits import Limits
from orchestrator.core.page.source import Source
from orchestrator.core.page.training import Ending, Number, Training
from orchestrator.core.reporting.training import UNFINISHED
from orchestrator.core.run.summary import GOOD_ENDS, shown_verdict
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.live_progress import time_left_s
from orchestrator.kernel.outcome import Verdict

IN_FLIGHT, BETWEEN, DONE, FAILED, STOPPED = "in flight", "between sessions", "done", "failed", "stopped"
_STOPPED = frozenset({EndReason.STOPPED.value, EndReason.CANCELLED.value, "interrupted"})


def row_of(chain: Chain, limits: Limits) -> Training:
    """A training as a row; of its numbers, the section's first ones are kept."""
    steps, state, rate = steps_done_of(chain), state_of(chain), rate_of(chain)
    return Training(
        lineage_id=chain.lineage_id,
        label=chain.label,
        section=chain.section,
        profile=chain.profile,
        seed=chain.seed,
        state=state,
        steps=steps,
        target_steps=chain.target_steps,
        grade=grade_of(chain),
        verdict=row_verdict(chain),
        why=_why(chain, state),
        rate=rate,
        eta_s=_eta_s(chain, steps, state, rate),
        sessions=len(chain.records),
        wall_s=chain.wall_s,
        settings=chain.settings,
        command=chain.command,
        policy_digest=policy_of(chain),
        numbers=numbers_of(chain, limits),
        curve=curve_of(chain, limits.points),
        ending=None if chain.autopsy is None else ending_of(chain.autopsy),
        earlier_endings=tuple(ending_of(found, slug) for slug, found in chain.earlier.items()),
    )


def state_of(chain: Chain) -> str:
    """The state of a training, for people."""
    if chain.in_flight:
        return IN_FLIGHT
    if chain.status is not None:
        state = chain.status.state
        return IN_FLIGHT if state is State.LIVE else state.value.replace("_", " ")
    if chain.run is None:  # a script without a project has no runs
        return DONE if chain.evaluated is not None else BETWEEN
    return _state_of_run(chain.run)


def _state_of_run(run: RunRecord) -> str:
    if run.ended_at is None:
        return BETWEEN
    if run.end_reason in _STOPPED:
        return STOPPED
    good = run.end_reason in GOOD_ENDS and run.evaluated and run.verdict != Verdict.INVALID.value
    return DONE if good else FAILED


def row_verdict(chain: Chain) -> str:
    """The verdict of the newest session, `no claim`, `unfinished`, or empty before the first session."""
    evaluated = chain.evaluated
    if evaluated is not None:
        return shown_verdict(evaluated.verdict, evaluated.no_claim)
    return UNFINISHED if chain.everything else ""


def grade_of(chain: Chain) -> str:
    """The worst grade of its seams; empty without one."""
    return str(reduce(worse_grade, (chain.grade_of(one) or None for one in chain.records), None) or "")


def rate_of(chain: Chain) -> float | None:
    """Steps a second: of the session in flight, else over all sessions of known duration; None if unknown."""
    if chain.live is not None and chain.live.steps_per_s is not None:
        return chain.live.steps_per_s
    timed = [one for one in chain.records if one.wall_s]
    trained = sum(max(0, (steps_of(one) or 0) - (one.steps_begun or 0)) for one in timed)
    wall_s = sum(one.wall_s or 0.0 for one in timed)
    return trained / wall_s if trained and wall_s else None


def policy_of(chain: Chain) -> str:
    """Digest of the evaluated policy: the one that the section names, else the final one; empty if it is unknown."""
    if chain.manifest is None:
        return ""
    outcome = chain.manifest.outcome
    evaluated = outcome.summary.get("evaluated_model")
    named = evaluated.get("policy_digest") if isinstance(evaluated, dict) else None
    return str(named or outcome.training.get("policy_digest_after") or "")


def source_of(chain: Chain) -> Source | None:
    """Where the numbers of a training come from: its newest session; None before the first."""
    newest = chain.newest
    if newest is None:
        return None
    return Source(session=newest.slug, digest=str(newest.ticket["bundle_digest"]), command=chain.command)


def numbers_of(chain: Chain, limits: Limits) -> tuple[Number, ...]:
    """The numbers that the section reported at the end; empty for a training that is not finished."""
    evaluated, source = chain.evaluated, source_of(chain)
    if evaluated is None or source is None:
        return ()
    own = source if limits.full_sources else Source(session=source.session)
    reported = list((evaluated.numbers or {}).items())[: limits.numbers]
    return tuple(Number(name=name, value=value, source=own) for name, value in reported)


def ending_of(autopsy: Autopsy, session: str = "") -> Ending:
    """An autopsy as the page shows it.

    Args:
        session: Slug of the session; empty for the end of a training.
    """
    return Ending(
        verdict=autopsy.verdict.value,
        sentence=autopsy.sentence,
        evidence=(*map(str, autopsy.evidence), *(f"not read: {one}" for one in autopsy.unread)),
        advice=autopsy.advice,
        command=autopsy.command,
        session=session,
    )


def steps_done_of(chain: Chain) -> int:
    """Steps that are saved; of the latest report while a session is in flight."""
    if chain.live is not None:
        return chain.live.steps
    if chain.status is not None:
        return chain.status.steps_done
    found = next((steps for one in reversed(chain.records) if (steps := steps_of(one)) is not None), 0)
    return found if chain.run is None else max(found, chain.run.steps_done)


def _why(chain: Chain, state: str) -> str:
    if chain.autopsy is not None:
        return chain.autopsy.sentence
    if chain.refusal and state in (State.WAITING.value, State.FAILED.value):
        return f"refused by the last tick: {chain.refusal}"
    if chain.status is not None and chain.status.why:
        return chain.status.why
    ended = chain.run is not None and state in (FAILED, STOPPED)
    return f"its run ended: {chain.run.end_reason}" if ended and chain.run is not None else ""


def _eta_s(chain: Chain, steps: int, state: str, rate: float | None) -> float | None:
    if chain.live is not None and chain.live.eta_s is not None:
        return chain.live.eta_s
    open_states = (IN_FLIGHT, BETWEEN, State.WAITING.value)
    if rate is None or chain.target_steps is None or state not in open_states or steps >= chain.target_steps:
        return None
    return time_left_s(chain.target_steps - steps, rate)
