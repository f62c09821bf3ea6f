"""The numbers of each variant over its seeds, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.core.page.page import Interval
from orchestrator.core.page.source import Source
from orchestrator.core.reporting.seed_statistics import Estimate, Group, grouped
from orchestrator.core.reporting.training import Training


def intervals_of(
    trainings: Sequence[Training],
    mean_of: Callable[[tuple[float, ...]], Estimate],
    command: str,
    planned: Mapping[str, str],
) -> tuple[Interval, ...]:
    """Mean and 95 % interval of every number of every variant.

    Args:
        mean_of: Values of the seeds -> their mean with its interval.
        command: The command that makes the page again.
        planned: Slug of a session -> when it was planned, ISO; the newest session of a variant is its source.
    """
    sources: dict[Group, str] = {}
    for one in trainings:
        known = sources.get(one.group)
        if one.counts and (known is None or planned.get(one.session, "") > planned.get(known, "")):
            sources[one.group] = one.session
    found = list(grouped(trainings))
    groups = {group for group, _, _ in found}
    return tuple(
        _interval(
            group,
            metric,
            mean_of(tuple(values)),
            len(values),
            groups,
            Source(session=sources[group], digest=group[2], command=command),
        )
        for group, metric, values in found
    )


def _interval(group: Group, metric: str, mean: Estimate, n: int, groups: set[Group], source: Source) -> Interval:
    return Interval(
        variant=_label(group, groups), measure=metric, n=n, mean=mean.value, low=mean.low, high=mean.high, source=source
    )


def _label(group: Group, groups: set[Group]) -> str:
    """The variant, with profile, code, question and target where its trainings differ: these are not averaged."""
    variant, profile, code, question, target_steps = group
    peers = [one for one in groups if one[0] == variant]
    words = [variant]
    words += [profile] if len({one[1] for one in peers}) > 1 else []
    words += [f"code {code[:8]}"] if len({one[2] for one in peers}) > 1 else []
    words += [f"question {question[:8]}"] if len({one[3] for one in peers}) > 1 else []
    words += [f"target {target_steps} steps"] if len({one[4] for one in peers}) > 1 else []
    return ", ".join(words)
