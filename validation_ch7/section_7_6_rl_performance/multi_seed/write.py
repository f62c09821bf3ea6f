"""Writes the files of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.kernel.files.atomic import write_atomically, write_json, write_text
from orchestrator.kernel.reporting.trial_report import CampaignReport
from orchestrator.kernel.wire import canonical_json
from validation_ch7.figures.style import write_figure
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Pool
from validation_ch7.section_7_6_rl_performance.multi_seed.interval_figure import interval_figure
from validation_ch7.section_7_6_rl_performance.multi_seed.latex import delays_latex, pairs_latex, tail_latex
from validation_ch7.section_7_6_rl_performance.multi_seed.learning_figure import learning_figure
from validation_ch7.section_7_6_rl_performance.multi_seed.provenance import account_markdown, curves_csv
from validation_ch7.section_7_6_rl_performance.multi_seed.report import pool_json, pool_markdown, statement_json


def write_pools(pools: Sequence[Pool], folder: Path, account: CampaignReport | None = None) -> None:
    """Write text, JSON, LaTeX and figures; for a campaign also its learning curves and the source of every number.

    Args:
        pools: One for each experiment; from the second on, each has its own subfolder.
        folder: Output folder; is created.
        account: Trial report of the campaign, None for a folder of results.

    Raises:
        OSError: A file cannot be written.
    """
    for place, pool in enumerate(pools):
        inside = folder if place == 0 else folder / f"experiment_{place + 1}"
        inside.mkdir(parents=True, exist_ok=True)
        origin = list(_origin(pool, account))
        write_json(inside / "pool.json", {"origin": origin, **pool_json(pool)})
        write_text(inside / "delays.tex", delays_latex(pool, origin))
        write_text(inside / "pairs.tex", pairs_latex(pool, origin))
        write_text(inside / "tail.tex", tail_latex(pool, origin))
        _write_twice(interval_figure(pool, stamp=origin[0]), inside / "delays")
        if account is not None:
            own = [trial for trial in account.trials if trial.lineage_id in pool.lineages]
            _write_twice(learning_figure(own, stamp=origin[0]), inside / "learning_curves")
    write_text(folder / "pool.md", pools_markdown(pools, account))
    # The page of the campaign shows these sentences first.
    write_json(folder / "statement.json", statement_json(pools))
    if account is not None:
        write_text(folder / "learning_curves.csv", curves_csv(account))


def pools_markdown(pools: Sequence[Pool], account: CampaignReport | None = None) -> str:
    """The Markdown of all experiments, followed by the source of the numbers."""
    texts = [pool_markdown(pool) for pool in pools]
    if len(texts) > 1:
        heads = [
            f"## Experiment {place} of {len(texts)}\n{_difference(pools[0], pool)}"
            for place, pool in enumerate(pools, 1)
        ]
        texts = [f"{head}\n{text}" for head, text in zip(heads, texts, strict=True)]
    if account is not None:
        texts.append(account_markdown(account))
    return "\n".join(texts)


def _difference(first: Pool, pool: Pool) -> str:
    """Why a pool is a separate experiment."""
    others = {name: value for name, value in pool.terms.items() if value != first.terms[name]}
    if not others:
        return ""
    differences = "; ".join(
        f"{name} is {_in_short(value)} instead of {_in_short(first.terms[name])}" for name, value in others.items()
    )
    return f"\nNot comparable with the first: {differences}.\n"


def _in_short(value: object) -> str:
    return value[:12] if isinstance(value, str) else canonical_json(value)


def _origin(pool: Pool, account: CampaignReport | None) -> Iterator[str]:
    code = str(pool.terms["bundle_digest"])[:12]
    named = f"campaign {account.campaign}, " if account is not None else ""
    yield f"{named}{len(pool.lineages)} trainings, code {code}"
    if account is not None:
        yield f"command: {account.command}"
        for trial in account.trials:
            if trial.lineage_id in pool.lineages:
                yield (
                    f"{trial.variant} seed {trial.seed}: session {trial.session}, manifest {trial.manifest_sha256},"
                    f" policy {trial.policy_digest}"
                )


def _write_twice(figure: Figure, stem: Path) -> None:
    """Write a figure as PNG for the screen and as PDF for the thesis; equal figures give equal bytes."""
    write_figure(figure, stem.with_suffix(".png"))
    nothing = {"Creator": None, "Producer": None, "CreationDate": None}
    write_atomically(
        stem.with_suffix(".pdf"), lambda temporary: figure.savefig(temporary, format="pdf", metadata=nothing)
    )
