"""A pool as text for people (Markdown) and as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import FEW
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Beside, Claim, Pool
from validation_ch7.section_7_6_rl_performance.multi_seed.load import ALSO
from validation_ch7.section_7_6_rl_performance.multi_seed.power import MOST, POWER
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate


def pool_json(pool: Pool) -> dict[str, Any]:
    """Everything, plain JSON."""
    return {
        "n_scenarios": pool.n_scenarios,
        "terms": dict(pool.terms),
        "variants": {claim.label: {**asdict(claim), "verdict": claim.verdict.value} for claim in pool.claims},
        "others": {name: asdict(other) for name, other in pool.others.items()},
        "versus": [{"variant": one, "beside": other, **asdict(found)} for (one, other), found in pool.versus.items()],
        "trainings": [{"lineage_id": key, "variant": label, "seed": n} for key, (label, n) in pool.lineages.items()],
    }


def pool_markdown(pool: Pool) -> str:
    """Everybody's delay and other measures; each variant beside all others; seed by seed; the verdicts."""
    parts = [_delays(pool), _also(pool), _beside(pool), _versus(pool), _needed(pool), _by_seed(pool), _verdicts(pool)]
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
        cells = f"| **{claim.label}** | {len(claim.seeds)} | {told(claim.mean_s)} | {told(claim.iqm_s)} | {spread} |"
        rows.append((claim.mean_s.value, cells))
    for name, other in pool.others.items():
        rows.append((other.mean_s.value, f"| {name} | - | {told(other.mean_s)} | {told(other.iqm_s)} | - |"))
    yield from (cells for _, cells in sorted(rows))
    alone = [claim.label for claim in pool.claims if len(claim.seeds) == 1]
    if alone:
        yield ""
        named = ", ".join(alone)
        yield f"Of a single training ({named}) the interval is over scenarios alone: it says nothing of others."
    if few := [claim.label for claim in pool.claims if 1 < len(claim.seeds) < FEW]:
        yield ""
        yield f"Of fewer than {FEW} trainings ({', '.join(few)}) the interval is Student's, and wide."


def _also(pool: Pool) -> Iterator[str]:
    yield "Delay up to the stop line at the worst approach (s), stops per vehicle, and share that left within the hour."
    yield ""
    yield "| controller | worst approach | stops | served (%) |"
    yield "|---|---|---|---|"
    everybody = [(claim.mean_s.value, f"**{claim.label}**", claim.also) for claim in pool.claims]
    everybody += [(other.mean_s.value, name, other.also) for name, other in pool.others.items()]
    for _, name, also in sorted(everybody, key=lambda row: row[0]):
        worst_s, stops, served = (also[measure] for measure in ALSO)
        yield f"| {name} | {told(worst_s)} | {told(stops)} | {100.0 * served.value:.1f} |"


def _beside(pool: Pool) -> Iterator[str]:
    yield "Reduction of the mean delay in percent (below zero: more delay); probability of improvement."
    yield ""
    yield "| | " + " | ".join(CLASSICAL) + " |"
    yield "|---|" + "---|" * len(CLASSICAL)
    for claim in pool.claims:
        cells = (
            f"{told(claim.beside[name].reduction_pct)}; {told(claim.beside[name].improvement)}" for name in CLASSICAL
        )
        yield f"| **{claim.label}** | " + " | ".join(cells) + " |"


def _versus(pool: Pool) -> Iterator[str]:
    if not pool.versus:
        return
    yield "The variants beside each other."
    yield ""
    yield "| | beside | reduction (%) | probability of improvement | told apart |"
    yield "|---|---|---|---|---|"
    for (one, other), found in pool.versus.items():
        apart = "yes" if found.told_apart else "one training" if found.n_trainings < 2 else "no"
        yield f"| **{one}** | **{other}** | {told(found.reduction_pct)} | {told(found.improvement)} | {apart} |"


def _needed(pool: Pool) -> Iterator[str]:
    yield (
        f"What is not told apart: trainings of each variant that would do it with probability {POWER:g} on these"
        " scenarios, were the truth what was observed."
    )
    yield ""
    none = True
    pairs = [(claim.label, name, claim.beside[name]) for claim in pool.claims for name in CLASSICAL]
    pairs += [(one, other, found) for (one, other), found in pool.versus.items()]
    have = {claim.label: len(claim.seeds) for claim in pool.claims}
    for one, other, found in pairs:
        if not found.told_apart:
            none = False
            yield f"* {one} and {other}: {more_needed(found, min(have[one], have.get(other, have[one])))}."
    if none:
        yield "* Nothing: every interval lies on one side of zero."


def more_needed(found: Beside, have: int) -> str:
    """How many more trainings would separate two, in words.

    Args:
        found: The one beside the other.
        have: Trainings that there are, of the variant that has fewer.
    """
    if have < 2:
        return "a single training tells no spread"
    if found.trainings_needed is None:
        return f"not even {MOST} trainings would separate them"
    if found.trainings_needed <= have:
        return f"{have} trainings separate their means on these scenarios; what is missing is scenarios"
    return f"{found.trainings_needed - have} more (of {found.trainings_needed}) would separate them"


def _by_seed(pool: Pool) -> Iterator[str]:
    yield "Each training on its own: its mean delay (s), and the reduction in percent on the same scenarios."
    yield ""
    yield "| variant | seed | delay | " + " | ".join(CLASSICAL) + " |"
    yield "|---|---|---|" + "---|" * len(CLASSICAL)
    for claim in pool.claims:
        for place, seed in enumerate(claim.seeds):
            cells = (told(claim.beside[name].by_seed_pct[place]) for name in CLASSICAL)
            yield f"| {claim.label} | {seed} | {claim.by_seed_s[place]:.2f} | " + " | ".join(cells) + " |"


def _verdicts(pool: Pool) -> Iterator[str]:
    yield from (_verdict(claim) for claim in pool.claims)


def _verdict(claim: Claim) -> str:
    return f"* {claim.label}: **{claim.verdict.value}** ({claim.reason})."


def told(estimate: Estimate) -> str:
    """A number with its interval, for people."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
