"""The finished trainings of a page in the form from which statistics over seeds are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.rows import DONE, grade_of, row_verdict, state_of
from orchestrator.core.reporting.learning_curve import stitch
from orchestrator.core.reporting.training import Training
from orchestrator.core.session.spec import question_of


def trainings_of(chains: Sequence[Chain]) -> Iterator[Training]:
    """The trials of a campaign that are done."""
    for chain in chains:
        record = chain.evaluated
        if record is None or state_of(chain) != DONE:
            continue
        spec = record.ticket["spec"]
        yield Training(
            variant=chain.label,
            profile=chain.profile,
            seed=chain.seed,
            lineage_id=chain.lineage_id,
            result=row_verdict(chain),
            steps=record.steps_done,
            target_steps=record.target_steps,
            session=record.slug,
            sessions=len(chain.records),
            resume_grade=grade_of(chain),
            wall_s=chain.wall_s,
            code_digest=str(record.ticket["bundle_digest"]),
            question=question_of(spec["criteria"], spec.get("evaluation_scenarios")) if spec.get("criteria") else "",
            numbers=record.numbers or {},
            curve=stitch([chain.reports[one.key].curve for one in chain.records if one.key in chain.reports]),
        )
