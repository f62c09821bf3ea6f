"""An experiment's results as Markdown and as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import FEW
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Beside, Claim, Pool
from validation_ch7.section_7_6_rl_performance.multi_seed.load import ALSO
from validation_ch7.section_7_6_rl_performance.multi_seed.power import MOST, POWER
from validation_ch7.section_7_6_rl_performance.verdict.findings import change
from validation_ch7.section_7_6_rl_performance.verdict.verdict import ACTUATED


def pool_json(pool: Pool) -> dict[str, Any]:
    """All results as plain JSON."""
    return {
        "n_scenarios": pool.n_scenarios,
        "terms": dict(pool.terms),
        "variants": {claim.label: _claim_json(claim) for claim in pool.claims},
        "others": {name: asdict(other) for name, other in pool.others.items()},
        "versus": [{"variant": one, "beside": other, **asdict(found)} for (one, other), found in pool.versus.items()],
        "trainings": [{"lineage_id": key, "variant": label, "seed": n} for key, (label, n) in pool.lineages.items()],
    }


def _claim_json(claim: Claim) -> dict[str, Any]:
    tail = asdict(claim.tail)
    del tail["ratios"]  # of every training and scenario: they follow from the tables of the sessions
    findings = [finding.to_json() for finding in claim.findings]
    return {**asdict(claim), "tail": tail, "findings": findings, "verdict": claim.verdict.value}


def pool_markdown(pool: Pool) -> str:
    """Delays and other measures of all controllers, comparisons, results of each seed, verdicts."""
    parts = (
        *(_delays(pool), _also(pool), _beside(pool), _tails(pool), _versus(pool), _needed(pool), _by_seed(pool)),
        _verdicts(pool),
    )
    return "\n\n".join(text for text in map("\n".join, parts) if text) + "\n"


def _delays(pool: Pool) -> Iterator[str]:
    code = str(pool.terms["bundle_digest"])[:12]
    yield f"Delay per vehicle (s) on {pool.n_scenarios} unseen scenarios, code {code}; in brackets 95 % intervals."
    yield ""
    yield "| controller | trainings | mean | interquartile mean | best and worst training |"
    yield "|---|---|---|---|---|"
    rows: list[tuple[float, str]] = []
    for claim in pool.claims:
        spread = f"{min(claim.by_seed_s):.2f} to {max(claim.by_seed_s):.2f}"
        cells = f"| **{claim.label}** | {len(claim.seeds)} | {claim.mean_s} | {claim.iqm_s} | {spread} |"
        rows.append((claim.mean_s.value, cells))
    for name, other in pool.others.items():
        rows.append((other.mean_s.value, f"| {name} | - | {other.mean_s} | {other.iqm_s} | - |"))
    yield from (cells for _, cells in sorted(rows))
    alone = [claim.label for claim in pool.claims if len(claim.seeds) == 1]
    if alone:
        yield ""
        named = ", ".join(alone)
        yield f"With a single training ({named}) the interval is over scenarios only and not over trainings."
    if few := [claim.label for claim in pool.claims if 1 < len(claim.seeds) < FEW]:
        yield ""
        yield f"With fewer than {FEW} trainings ({', '.join(few)}) the interval is Student's, and wide."


def _also(pool: Pool) -> Iterator[str]:
    yield "Delay up to the stop line at the worst approach (s), stops per vehicle, and share that left within the hour."
    yield ""
    yield "| controller | worst approach | stops | served (%) |"
    yield "|---|---|---|---|"
    rows = [(claim.mean_s.value, f"**{claim.label}**", claim.also) for claim in pool.claims]
    rows += [(other.mean_s.value, name, other.also) for name, other in pool.others.items()]
    for _, name, also in sorted(rows, key=lambda row: row[0]):
        worst_s, stops, served = (also[measure] for measure in ALSO)
        yield f"| {name} | {worst_s} | {stops} | {100.0 * served.value:.1f} |"


def _beside(pool: Pool) -> Iterator[str]:
    yield "Reduction of the mean delay in percent (below zero: more delay); probability of improvement."
    yield ""
    yield "| | " + " | ".join(CLASSICAL) + " |"
    yield "|---|" + "---|" * len(CLASSICAL)
    for claim in pool.claims:
        cells = (f"{claim.beside[name].reduction_pct}; {claim.beside[name].improvement}" for name in CLASSICAL)
        yield f"| **{claim.label}** | " + " | ".join(cells) + " |"


def _tails(pool: Pool) -> Iterator[str]:
    baseline, n_hardest = _baseline(pool), pool.claims[0].tail.n_hardest
    yield (
        f"The tail against {baseline}: largest ratio of the delays in one scenario; reduction of the mean delay in the"
        f" {n_hardest} scenarios that are hardest for {baseline}, and at the worst approach, in percent; share of the"
        " scenarios with less delay."
    )
    yield ""
    yield "| | largest ratio | hardest scenarios | worst approach | better in (%) |"
    yield "|---|---|---|---|---|"
    for claim in pool.claims:
        tail = claim.tail
        yield (
            f"| **{claim.label}** | {tail.largest_ratio:.2f} | {tail.hardest_reduction_pct} |"
            f" {tail.worst_approach_reduction_pct} | {tail.better_pct} |"
        )


def _versus(pool: Pool) -> Iterator[str]:
    if not pool.versus:
        return
    yield "The variants compared with each other."
    yield ""
    yield "| | against | reduction (%) | probability of improvement | significant |"
    yield "|---|---|---|---|---|"
    for (one, other), found in pool.versus.items():
        significant = "yes" if found.is_significant else "one training" if found.n_trainings < 2 else "no"
        yield f"| **{one}** | **{other}** | {found.reduction_pct} | {found.improvement} | {significant} |"


def _needed(pool: Pool) -> Iterator[str]:
    yield (
        "Differences that are not significant, and trainings of each variant with which they would be, with"
        f" probability {POWER:g} on these scenarios, if the observed means are the true ones."
    )
    yield ""
    none = True
    pairs = [(claim.label, name, claim.beside[name]) for claim in pool.claims for name in CLASSICAL]
    pairs += [(one, other, found) for (one, other), found in pool.versus.items()]
    have = {claim.label: len(claim.seeds) for claim in pool.claims}
    for one, other, found in pairs:
        if not found.is_significant:
            none = False
            yield f"* {one} and {other}: {more_needed(found, min(have[one], have.get(other, have[one])))}."
    if none:
        yield "* None: every interval is on one side of zero."


def more_needed(found: Beside, have: int) -> str:
    """In words, how many more trainings would separate the two.

    Args:
        found: The comparison.
        have: Existing trainings of the variant that has fewer.
    """
    if have < 2:
        return "a single training shows no spread"
    if found.trainings_needed is None:
        return f"not even {MOST} trainings would separate them"
    if found.trainings_needed <= have:
        return f"{have} trainings separate their means on these scenarios; more scenarios are needed"
    return f"{found.trainings_needed - have} more (of {found.trainings_needed}) would separate them"


def _by_seed(pool: Pool) -> Iterator[str]:
    yield "Each training separately: its mean delay (s), and the reduction in percent on the same scenarios."
    yield ""
    yield "| variant | seed | delay | " + " | ".join(CLASSICAL) + " |"
    yield "|---|---|---|" + "---|" * len(CLASSICAL)
    for claim in pool.claims:
        for place, seed in enumerate(claim.seeds):
            cells = (str(claim.beside[name].by_seed_pct[place]) for name in CLASSICAL)
            yield f"| {claim.label} | {seed} | {claim.by_seed_s[place]:.2f} | " + " | ".join(cells) + " |"


def statement_json(pools: Sequence[Pool]) -> dict[str, Any]:
    """What is said about all trainings together: a sentence for each variant, and the verdict if all have the same."""
    verdicts = {claim.verdict.value for pool in pools for claim in pool.claims}
    lines = [line for pool in pools for line in _sentences(pool)]
    return {"lines": lines, **({"verdict": next(iter(verdicts))} if len(verdicts) == 1 else {})}


def _sentences(pool: Pool) -> Iterator[str]:
    """The verdict on each variant with its trainings and intervals, in one sentence, and its criteria of the tail."""
    baseline = _baseline(pool)
    for claim in pool.claims:
        trainings = f"{len(claim.seeds)} training" + ("s" if len(claim.seeds) > 1 else "")
        against = f"{claim.beside[baseline].reduction_pct} % less than {baseline}; " if baseline in claim.beside else ""
        yield (
            f"{claim.label}, {trainings}: {claim.verdict.value.replace('_', ' ')}. {claim.mean_s} s/veh on "
            f"{pool.n_scenarios} unseen scenarios, {against}{_against_actuated(claim, baseline)}{claim.reason}."
        )
        yield from (f"{finding.text}." for finding in claim.findings)


def _against_actuated(claim: Claim, baseline: str) -> str:
    if baseline == ACTUATED or ACTUATED not in claim.beside:
        return ""
    return f"{change(claim.beside[ACTUATED].reduction_pct)} delay than the tuned actuated controller; "


def _verdicts(pool: Pool) -> Iterator[str]:
    baseline = _baseline(pool)
    for claim in pool.claims:
        yield f"* {claim.label}: **{claim.verdict.value}** ({_against_actuated(claim, baseline)}{claim.reason})."
        yield from (f"  * {finding.text}." for finding in claim.findings)


def _baseline(pool: Pool) -> str:
    criteria = pool.terms["criteria"]
    return str(criteria["baseline"]) if isinstance(criteria, Mapping) else ""
