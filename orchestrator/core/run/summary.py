"""The result of a command on a run: the object on the last line of `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_RUN_FAILED
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.outcome import Verdict

NO_CLAIM = "no claim"
"""Shown in place of a verdict where the section draws no conclusion."""

DETACHED = "detached"
"""The command left its session in flight; the run has not ended."""

ITS_TURN = "its_turn"
"""The command starts nothing; the run goes on with its next session."""

GOOD_ENDS = frozenset({"at_target", EndReason.FINISHED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The result of one command on a run.

    Attributes:
        sessions: Sessions that this command started or continued.
        end_reason: Of the run: the last session's, `at_target` when none was needed, `stuck`, `emptied`, or
            `detached` while it goes on.
        handle: Of the session in flight when the command left.
        session_exit_code: Exit code of the last kernel.
        target_steps: Where the run ends, None if the section decides.
        verdict: Scientific verdict at the target; None before there is one.
        no_claim: Whether the training finished and its section draws no conclusion: no verdict is missing.
        results_dir: Outputs of the last session, relative to the project, POSIX.
        restored: Checkpoint files that the last restore put in place.
        expected_grade: Lowest resume grade expected before a push, None for a fresh start.
        resume_grade: Lowest grade of any resume within this command as its kernel found it, None for a fresh start.
        resume_reasons: Why it is not better, as the kernels reported.
        problems: What is wrong with the outputs of the last session.
        own_files: Files of the user's own in the models directory, relative POSIX paths.
        archived: Files that were archived for good.
        adopted: Origin of the lineage if it began with a model from elsewhere, as in its checkpoints' cards.
        lacking: Those of the problems that name outputs which could not be fetched; the numbers are valid all the same.
    """

    run_id: str
    section: str
    profile: str
    backend: str
    lineage_id: str
    sessions: int
    steps_start: int
    steps_done: int
    target_steps: int | None
    end_reason: str
    session_exit_code: int | None = None
    verdict: str | None = None
    no_claim: bool = False
    verdict_reasons: tuple[str, ...] = ()
    results_dir: str | None = None
    restored: tuple[str, ...] = ()
    expected_grade: str | None = None
    resume_grade: str | None = None
    resume_reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    models_dir: str = ""
    handle: str | None = None
    own_files: tuple[str, ...] = ()
    archived: tuple[str, ...] = ()
    adopted: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 only for a reached target with believable numbers, or without a claim."""
        if self.end_reason == DETACHED:
            return EXIT_DONE
        if self.end_reason == EndReason.DISK_FULL:  # the user must free disk space; the training itself is sound
            return EXIT_BAD_INPUT
        believable = self.no_claim or self.verdict not in (None, Verdict.INVALID.value)
        if self.end_reason not in GOOD_ENDS or not believable or set(self.problems) - set(self.lacking):
            return EXIT_RUN_FAILED
        return EXIT_DONE

    @property
    def lacks_verdict(self) -> bool:
        """Whether the target is reached, but the section has criteria and reported no verdict: its own fault."""
        faulty = set(self.problems) - set(self.lacking)
        return self.end_reason in GOOD_ENDS and self.verdict is None and not self.no_claim and not faulty

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {**asdict(self), "exit_code": self.exit_code}


def summary_in_flight(run: RunRecord, session: SessionRecord) -> RunSummary:
    """The summary of a command that leaves a session in flight as it is."""
    return RunSummary(
        run_id=run.run_id,
        section=run.section,
        profile=run.profile,
        backend=run.backend,
        lineage_id=run.lineage_id,
        sessions=0,
        steps_start=run.steps_start,
        steps_done=run.steps_done,
        target_steps=run.target_steps,
        end_reason=DETACHED,
        handle=session.handle,
    )


def shown_verdict(verdict: str | None, no_claim: bool) -> str:
    """A verdict for a table: the verdict, `no claim`, or empty while there is neither."""
    return NO_CLAIM if no_claim else verdict or ""
