"""Checkpoints of a script: found, graded, read and written, with the same cards as every other training."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import EXACT, REFUSE, STATISTICAL, differences, is_below, worst
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.atomic import write_text
from orchestrator.kernel.outcome import CheckpointUnusable, SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.identity import identity_of
from orchestrator.kernel.training.kept_state.archive import read_archive, write_archive
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.logs import Logs, write_logs
from orchestrator.kernel.training.proof import conditions_of, proof_of_section
from orchestrator.kernel.wire import CARD_SUFFIX, CHECKPOINTS, KEPT_SUFFIX, LOGS_SUFFIX, MODEL_SUFFIX, STATE_SUFFIX

FINISHED_NAME = "finished_after.txt"
"""Holds the digest of the checkpoint after which the script declared the training finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Content of a verified checkpoint.

    Attributes:
        parts: Name -> encoded part.
        state: Encoded random generators, best score, and whether the script declared the training finished.
    """

    card: CheckpointCard
    parts: Mapping[str, Any]
    parts_buffers: list[bytes]
    state: Mapping[str, Any]
    state_buffers: list[bytes]

    @property
    def of_model(self) -> bool:
        """Whether it holds a model of `Run.sb3`; these files then hold only what the script kept beside it."""
        return any(entry.path == self.card.stem + KEPT_SUFFIX for entry in self.card.files)


class Checkpoints:
    """Reads and writes the checkpoints of one training.

    Args:
        context: The session.
        device_class: `cpu` or `cuda`.

    Attributes:
        scenario: Name in the checkpoints' stems.
        identity: What a later session compares before it resumes.
        parent: The newest checkpoint that this process read or wrote.
        resumed: The checkpoint that it resumed, None for a fresh training.
        reasons: Why the resume is not exact.
        proof: Facts of a proof of exact resume for the cards, None without one.
    """

    def __init__(self, context: SessionContext, device_class: str) -> None:
        self._context = context
        self.scenario = str(context.ticket.spec.get("scenario") or context.ticket.section)
        self.identity = identity_of(context, device_class)
        self._grade = EXACT
        self.parent: CheckpointCard | None = None
        self.resumed: CheckpointCard | None = None
        self.reasons: list[str] = []
        self.proof = proof_of_section(context.ticket.proven, self.identity)

    @property
    def grade(self) -> str | None:
        """Grade of the resume, None for a fresh training."""
        return None if self.resumed is None else self._grade

    @property
    def runtime(self) -> dict[str, Any]:
        """Versions and device, for the session's record."""
        return {**self.identity["versions"], "device": self.identity["device_class"]}

    def conditions(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Under which conditions the training runs, for a proof."""
        return conditions_of(settings, self.identity["versions"], self.identity["device_class"])

    def open(self) -> Saved | None:
        """Read the newest checkpoint whose files match its card; damaged ones are reported and passed over.

        Returns:
            None for a fresh training, and for an adopted model, which holds nothing that a script kept.

        Raises:
            SessionRefused: It belongs to another training, or checkpoints exist and none verifies.
            CheckpointUnusable: It verifies, but cannot be read.
        """
        say = self._context.reporter.say
        card = self._latest()
        if card is None:
            say("[CHECKPOINT] Starting fresh training")
            return None
        self.parent = self.resumed = card
        if card.is_adopted_model:
            return None
        if any(entry.path == card.stem + KEPT_SUFFIX for entry in card.files):
            return self._of_model(card)
        say(f"[CHECKPOINT] Loading checkpoint {card.stem}{MODEL_SUFFIX} ({card.steps} steps)")
        found = differences(card.identity, self.identity)
        for one in found:
            self._reason(str(one), one.grade)
        for lost in card.identity.get("lost_state", ()):
            self.lower(f"the checkpoint could not keep everything: {lost}")
        folder = self._context.models_dir / CHECKPOINTS
        try:
            parts, parts_buffers = read_archive(folder / (card.stem + MODEL_SUFFIX))
            state, state_buffers = read_archive(folder / (card.stem + STATE_SUFFIX))
        except (ValueError, FileNotFoundError) as fault:
            raise CheckpointUnusable(f"{card.stem} cannot be continued: {fault}") from fault
        return Saved(
            card=card, parts=parts["parts"], parts_buffers=parts_buffers, state=state, state_buffers=state_buffers
        )

    def _of_model(self, card: CheckpointCard) -> Saved:
        """Read what a script kept beside a model; the model's own code grades and loads the rest."""
        try:
            tree, buffers = read_archive(self._context.models_dir / CHECKPOINTS / (card.stem + KEPT_SUFFIX))
        except (ValueError, FileNotFoundError) as fault:
            raise CheckpointUnusable(f"{card.stem} cannot be continued: {fault}") from fault
        return Saved(card=card, parts=tree["parts"], parts_buffers=buffers, state=tree, state_buffers=buffers)

    def graded(self, grade: str, reasons: Sequence[str]) -> None:
        """Record the grade of a resume that the model's own code found and reported."""
        self._grade = worst((self._grade, grade))
        self.reasons += reasons

    @property
    def is_finished(self) -> bool:
        """Whether the script declared the training finished after it had saved the newest checkpoint."""
        path = self._context.models_dir / FINISHED_NAME
        return self.parent is not None and path.is_file() and path.read_bytes().strip() == self.parent.digest.encode()

    def mark_finished(self) -> None:
        """Record that the newest checkpoint is the last one of the training.

        Raises:
            OSError: The file cannot be written.
        """
        if self.parent is not None:
            write_text(self._context.models_dir / FINISHED_NAME, self.parent.digest + "\n")

    def checked(self, findings: Sequence[Finding]) -> list[str]:
        """Record the check of the environments; returns what makes resumes inexact.

        Raises:
            SessionRefused: The resume is less exact than required.
        """
        inexact = [one for finding in findings for one in finding.lost]
        if findings:
            self.identity["environment_check"] = [finding.line for finding in findings]
        for reason in inexact if self.resumed is not None else ():
            self.lower(reason)
        return inexact

    def lower(self, reason: str) -> None:
        """Record why the resume is at most `statistical`.

        Raises:
            SessionRefused: The session requires an exact resume.
        """
        self._reason(reason, STATISTICAL)

    def _reason(self, reason: str, grade: str) -> None:
        self._grade = worst((self._grade, grade))
        self.reasons.append(reason)
        floor = str(self._context.ticket.spec.get("resume_floor") or STATISTICAL)
        if grade == REFUSE or is_below(grade, floor):
            raise SessionRefused(
                f"the checkpoints in {self._context.models_dir} cannot be continued ({grade}): {reason}",
                remedy="Use the earlier value, or another folder (ORCHESTRATOR_FOLDER).",
            )
        self._context.reporter.say(f"[CHECKPOINT] Resume is {grade}: {reason}")

    def _latest(self) -> CheckpointCard | None:
        context = self._context
        survey = survey_checkpoints(context.models_dir, self.scenario)
        for stem, fault in survey.faults.items():
            context.reporter.say(f"[CHECKPOINT] Not usable: {stem}: {fault}")
        folder = context.models_dir / CHECKPOINTS
        committed = [stem for stem in survey.faults if (folder / (stem + CARD_SUFFIX)).exists()]
        promised = [entry.path for entry in context.ticket.inputs if entry.path.startswith(f"{CHECKPOINTS}/")]
        if survey.latest is None and (committed or promised):
            raise SessionRefused(  # never start over silently: the steps already trained would be lost
                f"no checkpoint in {folder} verifies: {survey.faults or promised}",
                remedy="Put the files back, or move the folder away to start over.",
            )
        return survey.latest

    def write(
        self,
        steps: int,
        *,
        parts: Mapping[str, Any],
        parts_buffers: list[bytes],
        state: Mapping[str, Any],
        state_buffers: list[bytes],
        lost: list[str],
        own_files: Callable[[Path], object] | None,
        logs: Logs,
    ) -> CheckpointCard:
        """Write a checkpoint completely or not at all, and make it the parent of the next one.

        Raises:
            OSError: A file cannot be written; earlier checkpoints are untouched.
        """
        with tempfile.TemporaryDirectory(prefix="orchestrator-save-") as scratch:
            if own_files is not None:
                own_files(Path(scratch))
            folder = Path(scratch) if own_files is not None else None
            self.parent = save_checkpoint(
                self._context.models_dir,
                scenario=self.scenario,
                steps=steps,
                writers={
                    MODEL_SUFFIX: lambda path: write_archive(path, {"parts": parts}, parts_buffers, folder),
                    STATE_SUFFIX: lambda path: write_archive(path, state, state_buffers),
                    **({LOGS_SUFFIX: lambda path: write_logs(path, logs)} if logs.files else {}),
                },
                identity={**self.identity, "lost_state": lost},
                stamp=self._context.ticket.stamp(),
                parent=self.parent,
                now=self._context.now(),
                continued=self._grade if self.parent is self.resumed else EXACT,
                proof=self.proof if not lost else None,
            )
        return self.parent
