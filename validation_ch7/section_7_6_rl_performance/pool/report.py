"""A pool as text for people (Markdown) and as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.pool.claims import Claim, Pool
from validation_ch7.section_7_6_rl_performance.pool.trainings import ALSO
from validation_ch7.section_7_6_rl_performance.statistics import Estimate


def pool_json(pool: Pool) -> dict[str, Any]:
    """Everything, plain JSON."""
    return {
        "n_scenarios": pool.n_scenarios,
        "terms": dict(pool.terms),
        "algorithms": {claim.algorithm: {**asdict(claim), "verdict": claim.verdict.value} for claim in pool.claims},
        "others": {name: asdict(other) for name, other in pool.others.items()},
    }


def pool_markdown(pool: Pool) -> str:
    """Three tables: everybody's delay, everybody's other measures, each algorithm beside each classical controller."""
    return (
        "\n".join(
            [*_delays(pool), "", *_also(pool), "", *_beside(pool), "", *(_verdict(claim) for claim in pool.claims)]
        )
        + "\n"
    )


def _delays(pool: Pool) -> Iterator[str]:
    yield f"Delay per vehicle (s) on {pool.n_scenarios} unseen scenarios; in brackets 95 % intervals."
    yield ""
    yield "| controller | trainings | mean | interquartile mean | best and worst training |"
    yield "|---|---|---|---|---|"
    rows: list[tuple[float, str]] = []
    for claim in pool.claims:
        spread = f"{min(claim.by_seed_s):.2f} to {max(claim.by_seed_s):.2f}"
        cells = (
            f"| **{claim.algorithm}** | {len(claim.seeds)} | {_told(claim.mean_s)} | {_told(claim.iqm_s)} | {spread} |"
        )
        rows.append((claim.mean_s.value, cells))
    for name, other in pool.others.items():
        rows.append((other.mean_s.value, f"| {name} | - | {_told(other.mean_s)} | {_told(other.iqm_s)} | - |"))
    yield from (cells for _, cells in sorted(rows))


def _also(pool: Pool) -> Iterator[str]:
    yield "Delay up to the stop line at the worst approach (s), stops per vehicle, and share that left within the hour."
    yield ""
    yield "| controller | worst approach | stops | served (%) |"
    yield "|---|---|---|---|"
    everybody = [(claim.mean_s.value, f"**{claim.algorithm}**", claim.also) for claim in pool.claims]
    everybody += [(other.mean_s.value, name, other.also) for name, other in pool.others.items()]
    for _, name, also in sorted(everybody, key=lambda row: row[0]):
        worst_s, stops, served = (also[measure] for measure in ALSO)
        yield f"| {name} | {_told(worst_s)} | {_told(stops)} | {100.0 * served.value:.1f} |"


def _beside(pool: Pool) -> Iterator[str]:
    yield "Reduction of the mean delay in percent (below zero: more delay), and probability of improvement."
    yield ""
    yield "| | " + " | ".join(CLASSICAL) + " |"
    yield "|---|" + "---|" * len(CLASSICAL)
    for claim in pool.claims:
        cells = (
            f"{_told(claim.beside[name].reduction_pct)}; {claim.beside[name].improvement.value:.2f}"
            for name in CLASSICAL
        )
        yield f"| **{claim.algorithm}** | " + " | ".join(cells) + " |"


def _verdict(claim: Claim) -> str:
    return f"* {claim.algorithm}: **{claim.verdict.value}** ({claim.reason})."


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
