"""The answer that stands first on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.rows import DONE, IN_FLIGHT, row_verdict, source_of, state_of, steps_done_of
from orchestrator.core.page.page import Headline
from orchestrator.core.reporting.training import UNFINISHED
from orchestrator.core.run.summary import NO_CLAIM
from orchestrator.core.session.live_progress import steps_of

NOTHING_YET = "Nothing has been trained yet."


def headline_of(chains: Sequence[Chain]) -> Headline:
    """The answer of one training, or of several: the verdict of the newest finished one, with its intervals.

    Args:
        chains: In any order.
    """
    begun = [one for one in chains if one.everything]
    if not begun:
        return Headline(verdict="", text=NOTHING_YET)
    finished = [one for one in begun if one.evaluated is not None]
    if not finished:
        return _unfinished(chains, begun)
    newest = max(finished, key=lambda one: one.records[-1].planned_at)
    verdict = row_verdict(newest)
    text = _sentence(newest, verdict) if len(chains) == 1 else _of_several(chains, finished, newest, verdict)
    reasons = () if newest.manifest is None else newest.manifest.outcome.verdict_reasons
    return Headline(verdict=verdict, text=text, lines=reasons, source=source_of(newest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a section's own report says about all trainings of a campaign together.

    Attributes:
        verdict: As in `Headline.verdict`; empty if it differs between variants.
        lines: One sentence each.
        sessions: Slugs of the sessions whose results it judges; empty if the file does not say it.
    """

    verdict: str = ""
    lines: tuple[str, ...] = ()
    sessions: frozenset[str] = frozenset()


def results_of(chains: Sequence[Chain]) -> frozenset[str]:
    """Slugs of the sessions with the results of the trainings that are done."""
    return frozenset(one.evaluated.slug for one in chains if state_of(one) == DONE and one.evaluated is not None)


def campaign_headline(chains: Sequence[Chain], statements: Sequence[Statement]) -> Headline:
    """The answer of a campaign: a verdict only if the section's own report judged all trainings together.

    Args:
        chains: Every trial.
        statements: Of its sections, about their present results; empty without a report.
    """
    done = [one for one in chains if state_of(one) == DONE]
    needed = [one for one in chains if state_of(one) != State.SPARE.value]
    others = Counter(state_of(one) for one in needed if one not in done)
    rest = ", ".join(f"{number} {state}" for state, number in others.most_common())
    count = f"{len(done)} of {len(needed)} trainings finished" + (f"; {rest}" if rest else "")
    newest = max(done, key=lambda one: one.records[-1].planned_at) if done else None
    source = source_of(newest) if newest is not None else None
    lines = tuple(line for one in statements for line in one.lines)
    if others or not done:
        return Headline(verdict=UNFINISHED if chains else "", text=f"{count}.", lines=lines, source=source)
    judged = {one.verdict for one in statements}
    whole = results_of(chains) == frozenset().union(*(one.sessions for one in statements))
    if whole and len(judged) == 1 and (verdict := next(iter(judged))):
        text = f"Verdict: {verdict.replace('_', ' ')}, from all trainings together: {count}."
        return Headline(verdict=verdict, text=text, lines=lines, source=source)
    if lines:
        why = "the verdicts of the variants differ" if whole else "not every section has a report of its own"
        text = f"{count}; {why}."
        return Headline(verdict=NO_CLAIM, text=text, lines=lines, source=source)
    return Headline(verdict=NO_CLAIM, text=f"Finished, no claim: {count}{_alone(done)}.", source=source)


def _alone(done: Sequence[Chain]) -> str:
    """The verdicts of single trainings, which say nothing of all of them together; empty without one."""
    verdicts = Counter(row_verdict(one) for one in done)
    if set(verdicts) == {NO_CLAIM}:
        return ""
    counts = ", ".join(f"{number} {one.replace('_', ' ')}" for one, number in verdicts.most_common())
    return f"; each judged alone: {counts}"


def _unfinished(chains: Sequence[Chain], begun: Sequence[Chain]) -> Headline:
    newest = max(begun, key=lambda one: one.everything[-1].planned_at)
    if len(chains) == 1:
        text = f"Not finished: {steps_of(steps_done_of(newest), newest.target_steps)}, {state_of(newest)}."
        lines = () if newest.autopsy is None else (newest.autopsy.sentence, newest.autopsy.advice)
        return Headline(verdict=UNFINISHED, text=text, lines=lines, source=source_of(newest))
    in_flight = sum(state_of(one) == IN_FLIGHT for one in chains)
    text = f"0 of {len(chains)} trainings finished, {in_flight} in flight."
    return Headline(verdict=UNFINISHED, text=text, source=source_of(newest))


def _sentence(chain: Chain, verdict: str) -> str:
    steps = steps_done_of(chain)
    at = steps_of(steps, chain.target_steps) if steps or chain.target_steps is not None else ""
    if verdict == NO_CLAIM:
        return f"Finished, no claim: {at}." if at else "Finished, no claim."
    return f"Verdict: {verdict.replace('_', ' ')}, at {at}." if at else f"Verdict: {verdict.replace('_', ' ')}."


def _of_several(chains: Sequence[Chain], finished: Sequence[Chain], newest: Chain, verdict: str) -> str:
    counts = Counter(row_verdict(one) for one in finished)
    each = ", ".join(f"{number} {one.replace('_', ' ')}" for one, number in counts.most_common())
    seed = "" if newest.seed is None else f" seed {newest.seed}"
    return (
        f"{len(finished)} of {len(chains)} trainings finished: {each}. "
        f"The newest, {newest.label}{seed}: {verdict.replace('_', ' ')}."
    )
