"""All trainings of a section that the ledger knows, finished or not, each with its stitched learning curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.durations import total_s
from orchestrator.core.reporting.learning_curve import SessionCurve, stitch
from orchestrator.core.reporting.training import UNFINISHED, Training, variant_labels
from orchestrator.core.run.summary import shown_verdict
from orchestrator.core.session.spec import question_of
from orchestrator.kernel.checkpoint.adopted import adopted_line_in
from orchestrator.pipeline.campaign.finished_trials import since_beginning
from orchestrator.ports import Ledger, ResultsStore


def trainings_of_section(ledger: Ledger, results: ResultsStore, section: str) -> list[Training]:
    """The trainings of a section, ordered by variant, profile and seed.

    A lineage gives one training for each profile, code and question under which it finished, with the latest session
    of each; and one more, unfinished, if sessions came after them.

    Raises:
        RunFailed: A session's event file is damaged, or belongs to another session.
    """
    return trainings_in(ledger.sessions(), results.stretch, section)


def trainings_in(
    sessions: Iterable[SessionRecord], curve: Callable[[SessionRecord], SessionCurve | None], section: str
) -> list[Training]:
    """The same from sessions that were read before.

    Args:
        sessions: Oldest first.
        curve: Session -> its learning curve, None if it never trained.
    """
    chains: dict[str, list[SessionRecord]] = {}
    for record in sessions:
        spec = record.ticket["spec"]
        if spec.get("section") == section and not spec.get("proof") and record.steps_begun is not None:
            chains.setdefault(record.lineage_id, []).append(record)
    if not chains:
        return []
    labels = variant_labels(section, [chain[0].ticket["spec"]["lineage"] for chain in chains.values()])
    found = [
        _training(curve, chain, last, label)
        for chain, label in zip(chains.values(), labels, strict=True)
        for last in _last_sessions(chain)
    ]
    return sorted(found, key=lambda one: (one.variant, one.profile, -1 if one.seed is None else one.seed))


def _last_sessions(chain: Sequence[SessionRecord]) -> Iterator[SessionRecord]:
    """The last session of each training of a lineage: the latest that finished under each question, and the newest."""
    latest = {_group(record): record for record in chain if record.evaluated}
    yield from latest.values()
    if not chain[-1].evaluated:
        yield chain[-1]


def _group(record: SessionRecord) -> tuple[str, str, str]:
    return str(record.ticket["spec"].get("profile")), str(record.ticket["bundle_digest"]), _question(record)


def _question(record: SessionRecord) -> str:
    spec = record.ticket["spec"]
    if not spec.get("criteria"):
        return ""
    return question_of(spec["criteria"], spec.get("evaluation_scenarios", 0))


def _training(
    curve: Callable[[SessionRecord], SessionCurve | None],
    chain: Sequence[SessionRecord],
    last: SessionRecord,
    label: str,
) -> Training:
    sessions = since_beginning(chain, last)
    curves = [curve(one) for one in sessions]
    spec = last.ticket["spec"]
    return Training(
        variant=label,
        profile=str(spec.get("profile")),
        seed=spec["lineage"].get("seed"),
        lineage_id=last.lineage_id,
        result=shown_verdict(last.verdict, last.no_claim) if last.evaluated else UNFINISHED,
        steps=last.steps_done,
        target_steps=last.target_steps,
        session=last.slug,
        sessions=len(sessions),
        resume_grade=str(reduce(worse_grade, (one.resume_grade for one in sessions)) or ""),
        wall_s=total_s(zip(sessions, curves, strict=True)),
        code_digest=last.ticket["bundle_digest"],
        question=_question(last),
        numbers=last.numbers or {},
        curve=stitch([one for one in curves if one is not None]),
        adopted=adopted_line_in(reason for one in sessions for reason in one.resume_reasons),
    )
