"""A pool as text for people (Markdown) and as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.pool.claims import Claim, Pool
from validation_ch7.section_7_6_rl_performance.statistics import Estimate


def pool_json(pool: Pool) -> dict[str, Any]:
    """Everything, plain JSON."""
    return {
        "n_scenarios": pool.n_scenarios,
        "terms": dict(pool.terms),
        "algorithms": {claim.algorithm: {**asdict(claim), "verdict": claim.verdict.value} for claim in pool.claims},
        "others": {
            name: {"mean_s": asdict(mean_s), "iqm_s": asdict(iqm_s)} for name, (mean_s, iqm_s) in pool.others_s.items()
        },
    }


def pool_markdown(pool: Pool) -> str:
    """Two tables: everybody's delay, and each algorithm beside each classical controller."""
    return "\n".join([*_delays(pool), "", *_beside(pool), "", *(_verdict(claim) for claim in pool.claims)]) + "\n"


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
    for name, (mean_s, iqm_s) in pool.others_s.items():
        rows.append((mean_s.value, f"| {name} | - | {_told(mean_s)} | {_told(iqm_s)} | - |"))
    yield from (cells for _, cells in sorted(rows))


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
