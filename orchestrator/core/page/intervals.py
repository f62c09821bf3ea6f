"""The numbers of each variant over its seeds, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.core.page.page import Interval
from orchestrator.core.page.source import Source
from orchestrator.core.reporting.seed_statistics import Statistic
from orchestrator.core.reporting.training import Training


def intervals_of(
    statistics: Sequence[Statistic], trainings: Sequence[Training], command: str, newest: Mapping[str, str]
) -> tuple[Interval, ...]:
    """Mean and 95 % interval of every number of every variant.

    Args:
        statistics: Of the trainings.
        trainings: In the order of `statistics`.
        command: The command that makes the statistics again.
        newest: Slug of a session -> when it was planned, ISO; the newest session of a variant is its source.
    """
    sources: dict[tuple[str, str, str], str] = {}
    for one in trainings:
        group = (one.variant, one.profile, one.code_digest)
        known = sources.get(group)
        if one.counts and (known is None or newest.get(one.session, "") > newest.get(known, "")):
            sources[group] = one.session
    several = {(one.profile, one.code_digest) for one in statistics}
    return tuple(
        Interval(
            variant=_label(one, several),
            measure=one.metric,
            n=one.n,
            mean=one.mean.value,
            low=one.mean.low,
            high=one.mean.high,
            source=Source(
                session=sources.get((one.variant, one.profile, one.code_digest), ""),
                digest=one.code_digest,
                command=command,
            ),
        )
        for one in statistics
    )


def _label(one: Statistic, several: set[tuple[str, str]]) -> str:
    """The variant; with profile and code where the page has several of them, because these are not averaged."""
    profiles, codes = {profile for profile, _ in several}, {code for _, code in several}
    words = [one.variant]
    words += [one.profile] if len(profiles) > 1 else []
    words += [f"code {one.code_digest[:8]}"] if len(codes) > 1 else []
    return ", ".join(words)
