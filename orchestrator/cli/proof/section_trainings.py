"""The trainings of `prove SECTION`: runs through the local backend, each with its own state folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.cli.proof.proof_run import HASH_SEEDS, CutRequest
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.proof.ends import TrainingEnd
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.training import cuts as variables
from orchestrator.kernel.training.progress import PROGRESS_NAME
from orchestrator.kernel.wire import models_path
from orchestrator.pipeline.run.runner import execute
from orchestrator.ports import Narrator
from orchestrator.stores.project import Project
from orchestrator.stores.proof.training_end import newest_card, read_end, read_reports
from orchestrator.wiring import assemble, make_backend

_BACKEND = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionTrainings:
    """Trains one section whose code uses `orchestrator.session()`.

    Attributes:
        project: Where its code is.
        folder: An empty folder for the states; the user's state is not touched.
        card: The section.
        profile: `quick` or `full`.
        request: How to cut.
    """

    project: Project
    folder: Path
    card: SectionCard
    profile: str
    request: CutRequest
    narrator: Narrator

    def straight(self, name: str, trace: tuple[int, ...]) -> TrainingEnd:
        """Train to the end in one session."""
        end, records = self._train(name, {variables.TRACE_AT: variables.joined(trace)})
        if len(records) != 1:
            raise RunFailed(
                f"the straight training of {self.card.section} took {len(records)} sessions instead of one",
                remedy="Give --steps N for a training that ends within the deadline of one session.",
            )
        return end

    def cut(self, planned: tuple[int, ...], trace: tuple[int, ...]) -> tuple[TrainingEnd, tuple[int, ...]]:
        """Train to the end in as many sessions as there are cuts, and one more."""
        given = {
            variables.STOP_AT: variables.joined(planned),
            variables.TRACE_AT: variables.joined(trace),
            variables.KILL: variables.joined(self.request.killed(planned)),
        }
        end, records = self._train("cut", given)
        cuts = tuple(record.input_steps for record in records[1:])
        if not cuts:
            raise BadInput(
                f"{self.card.section} did not leave at {planned[0]} steps, so it cannot be cut",
                remedy="Loop over run.steps(); in a loop of its own: save, and leave when run.should_stop is true.",
            )
        return end, cuts

    def _train(self, name: str, given: Mapping[str, str]) -> tuple[TrainingEnd, list[SessionRecord]]:
        place, trace = Project(code=self.project.code, state=self.folder / name), self.folder / f"{name}.jsonl"
        given = {**given, variables.TRACE_FILE: str(trace), "PYTHONHASHSEED": str(HASH_SEEDS[name])}
        with (
            _variables(given),
            assemble(place, self.card, make_backend(_BACKEND, place, self.card), self.narrator) as run,
        ):
            summary = execute(run, RunRequest(card=self.card, profile=self.profile, target_steps=self.request.steps))
            records = list(run.ledger.sessions(self.card.lineage.id))
            models_dir = run.models.view().root
        self._require_finished(name, summary, place)
        if newest_card(models_dir, self.card.scenario) is None:
            raise BadInput(
                f"{self.card.section} saved no checkpoint that can be compared",
                remedy="Its code must open orchestrator.session() and train at least one step; see docs/YOUR_OWN.md.",
            )
        end = read_end(
            models_dir, self.card.scenario, results_dir=self.folder / "none", trace=trace, last_line="",
            reasons=tuple(summary.resume_reasons),
        )  # fmt: skip
        return replace(end, reports=tuple(self._reports(place, records))), records

    def _require_finished(self, name: str, summary: RunSummary, place: Project) -> None:
        if summary.end_reason not in (EndReason.FINISHED, "at_target"):
            logs = sorted(place.results.glob("*/kernel.log"))
            tail = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if logs else []
            text = "\n".join(f"    {line}" for line in tail)
            raise RunFailed(
                f"the training {name} of {self.card.section} ended with {summary.end_reason}. The end of its log:\n"
                f"{text}",
                remedy=f"Correct it until `python -m orchestrator run {self.card.section}` trains to its end.",
            )

    def _reports(self, place: Project, records: list[SessionRecord]) -> list[Mapping[str, Any]]:
        """Reports of all sessions; those of lost work are left out."""
        reports: list[Mapping[str, Any]] = []
        for record in records:
            folders = list(place.results.glob(f"*{record.slug}"))
            kept = [one for one in reports if one["step"] < record.input_steps]
            found = [
                one
                for folder in folders
                for one in read_reports(models_path(folder, self.card.directory).parent / "metrics" / PROGRESS_NAME)
            ]
            reports = [*kept, *found]
        return reports


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which the sessions of the local backend inherit, and put the earlier ones back."""
    before = {name: os.environ.get(name) for name in (*given, *variables.VARIABLES)}
    try:
        for name in variables.VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(given)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
