"""A run in progress: where it started, how far it is, and the results of its sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.run.progress import RunProgress
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.card import Profile
from orchestrator.core.session.backend_types import Carrier
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import Judgement
from orchestrator.core.session.slug import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSession:
    """A session that has ended, with its outputs fetched, judged and restored.

    Attributes:
        restored: Names of the checkpoint files that its restore put in place.
        inventory: What is in place now.
    """

    judgement: Judgement
    results_dir: Path
    restored: tuple[str, ...]
    inventory: CheckpointInventory

    @property
    def steps_in_place(self) -> int:
        """Steps of the newest checkpoint in place."""
        return self.inventory.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that a command carries on.

    Attributes:
        sizes: Of its sessions; the target is fixed when the run begins.
        record: The interrupted run that this command continues, None for a run of its own.
        started: Whether its beginning is in the ledger.
        last: Place of its last session, None before the first.
        failed: Carriers with which the checkpoints of the next session did not arrive.
        summary: Its results so far.
    """

    run_id: str
    sizes: Profile
    steps_start: int
    progress: RunProgress
    summary: RunSummary
    record: RunRecord | None = None
    started: bool = False
    last: Place | None = None
    failed: tuple[Carrier, ...] = ()

    @property
    def target_steps(self) -> int | None:
        """Where it ends, None if the section decides."""
        return self.sizes.target_steps

    def after(self, closed: ClosedSession, carrier: Carrier | None = None) -> OpenRun:
        """The run after one more session.

        Args:
            carrier: How the session's checkpoints travelled, None where that is not known.
        """
        end = closed.judgement.end_reason
        lost = end is EndReason.CARRIER_MISSING and carrier is not None
        same_target = closed.judgement.target_steps == self.target_steps
        return replace(
            self,
            progress=self.progress.after(end, closed.steps_in_place, same_target=same_target),
            summary=with_session(self.summary, closed),
            failed=(*self.failed, carrier) if lost and carrier else (),
        )

    def back_at(self, steps: int) -> OpenRun:
        """The run after a walk back to an earlier checkpoint."""
        summary = self.summary if self.summary.sessions else replace(self.summary, steps_start=steps)
        return replace(self, progress=self.progress.back_at(steps), summary=summary, last=None, failed=())


def with_session(summary: RunSummary, closed: ClosedSession) -> RunSummary:
    """The summary after one more session."""
    judgement = closed.judgement
    new_reasons = tuple(one for one in judgement.resume_reasons if one not in summary.resume_reasons)
    return replace(
        summary,
        sessions=summary.sessions + 1,
        steps_done=closed.steps_in_place,
        session_exit_code=judgement.exit_code,
        verdict=judgement.verdict.value if judgement.verdict else None,
        verdict_reasons=judgement.verdict_reasons,
        no_claim=judgement.no_claim,
        results_dir=closed.results_dir.as_posix(),
        restored=closed.restored,
        resume_grade=worse_grade(summary.resume_grade, judgement.resume_grade),
        resume_reasons=(*summary.resume_reasons, *new_reasons),
        problems=judgement.problems,
        lacking=judgement.lacking,
    )
