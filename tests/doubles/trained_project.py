"""A project with trainings in its ledger and results folders, written without training anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.session.slug import session_slug
from orchestrator.core.session.spec import SessionSpec, question_of
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME, Ticket, digest_of
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project
from orchestrator.wiring import present_digest
from tests.doubles.toy_section import make_toy_project

BEGAN = datetime(2026, 11, 30, 8, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Made:
    """One session: what it did and what it left.

    Attributes:
        start: Steps from which it continued.
        end: Steps of its last save.
        seen: Steps of its last report; None for `end`.
        reason: End reason.
        evaluations: Steps -> score.
        rewards: Steps -> mean reward.
        manifest: Whether it left one; a killed session does not.
    """

    start: int = 0
    end: int = 100
    seen: int | None = None
    reason: str = "finished"
    verdict: str | None = "supported"
    reasons: tuple[str, ...] = ("It delays by 19.1 [18.0, 20.5] s less.",)
    grade: str | None = None
    grade_reasons: tuple[str, ...] = ()
    evaluations: Mapping[int, float] = field(default_factory=dict)
    rewards: Mapping[int, float] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    machine: Mapping[str, Any] | None = None
    hours: float = 1.0
    manifest: bool = True
    closed: bool = True


class TrainedProject:
    """A toy project whose ledger is written directly.

    Args:
        root: Its folder; is created.
        campaign: YAML of a campaign, saved as configs/campaigns/{name}.yaml.
    """

    def __init__(self, root: Path, campaign: str) -> None:
        make_toy_project(root)
        self.project = Project(code=root, state=root)
        self.campaign = parse_campaign(campaign, "test")
        path = self.project.campaigns / f"{self.campaign.campaign}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(campaign, encoding="utf-8")
        self.trials = expand(self.campaign, card_reader(self.project.cards))
        self._digest = present_digest(self.project)
        self.project.own.mkdir(parents=True, exist_ok=True)
        self._ledger = SqliteLedger(self.project.own / "ledger.sqlite")
        self._at = BEGAN

    def train(
        self, trial: Trial, *sessions: Made, backend: str = "local", run_end: str | None = "finished", first: int = 1
    ) -> str:
        """Write a run with its sessions; its id.

        Args:
            run_end: End reason of the run, None for one that goes on.
            first: Number of its first session.
        """
        run_id = f"{trial.card.section}-{trial.name8}-{self._at:%Y%m%dT%H%M%S}-0000"
        sizes = trial.variant.sizes
        spec = SessionSpec(card=trial.card, profile=trial.variant.profile, sizes=sizes, backend=backend).to_json()
        events = [
            self._event(
                EventKind.RUN_STARTED,
                run_id,
                section=trial.card.section,
                lineage_id=trial.lineage_id,
                profile=trial.variant.profile,
                backend=backend,
                steps_start=0,
                steps_done=0,
                target_steps=sizes.target_steps,
                campaign=self.campaign.campaign,
                code_digest=self._digest(trial.card),
                question=question_of(trial.card.criteria_values, sizes.evaluation_scenarios),
            )
        ]
        self._ledger.record(*events)
        for number, made in enumerate(sessions, first):
            self._ledger.record(*self._session(trial, spec, run_id, number, made, backend))
        last = sessions[-1]
        if run_end is not None and last.closed:
            no_claim = last.reason == "finished" and last.verdict is None
            end = {"end_reason": run_end, "verdict": last.verdict, "no_claim": no_claim}
            self._ledger.record(self._event(EventKind.RUN_ENDED, run_id, **end))
        return run_id

    def folder(self, slug: str) -> Path:
        """The results folder of a session."""
        return self.project.results / f"owner_{slug}"

    def _session(
        self, trial: Trial, spec: Mapping[str, Any], run_id: str, number: int, made: Made, backend: str
    ) -> list[Event]:
        slug, key = session_slug(trial.card.section, trial.lineage_id, number, 1), f"{run_id}/s{number:02d}a1"
        ticket = Ticket(
            run_id=run_id,
            session=number,
            attempt=1,
            nonce=f"{trial.name8}{number:024d}",
            section=trial.card.section,
            section_dir=trial.card.directory,
            lineage_id=trial.lineage_id,
            spec=spec,
            spec_digest=digest_of(dict(spec)),
            bundle_digest=self._digest(trial.card),
        )
        plain = ticket.to_json()
        if made.start:
            stem = f"{trial.card.scenario}_checkpoint_{made.start}_steps"
            plain["inputs"] = [{"path": f"checkpoints/{stem}.zip", "size_bytes": 1, "sha256": "0" * 64}]
        began, self._at = self._at, self._at + timedelta(hours=made.hours)
        machine = {"machine": dict(made.machine)} if made.machine is not None else {}
        planned = self._event(
            EventKind.SESSION_PLANNED,
            run_id,
            key,
            began,
            lineage_id=trial.lineage_id,
            session=number,
            attempt=1,
            slug=slug,
            backend=backend,
            nonce=ticket.nonce,
            ticket=plain,
            campaign=self.campaign.campaign,
            **machine,
        )
        handle = f"{backend}://owner/{slug}"
        submitted = self._event(EventKind.SESSION_SUBMITTED, run_id, key, handle=handle)
        if not made.closed:
            return [planned, submitted]
        folder = self.folder(slug)
        self._write(folder, ticket, made, began)
        wall_s = made.hours * 3600.0 if made.manifest else None
        judged = {
            "end_reason": made.reason,
            "exit_code": 0 if made.manifest else 137,
            "problems": list(made.problems),
            "curve": [[steps, score] for steps, score in made.evaluations.items()],
        }
        if made.manifest:
            judged |= {
                "verdict": made.verdict if made.reason == "finished" else None,
                "no_claim": made.reason == "finished" and made.verdict is None,
                "steps_start": made.start,
                "steps_done": made.end,
                "resume_grade": made.grade,
                "resume_reasons": list(made.grade_reasons),
                "started_at": began.isoformat(),
                "ended_at": self._at.isoformat(),
                "wall_s": wall_s,
                "numbers": dict(made.numbers) if made.reason == "finished" else None,
            }
        ended = {"native": "complete", "exit_code": 0, "reason": None}
        closed = {
            "restored": [],
            "models_steps": made.end,
            "wall_s": wall_s,
            "trained_steps": made.end - made.start,
            "end_reason": made.reason,
            "ended_at": self._at.isoformat(),
        }
        return [
            planned,
            submitted,
            self._event(EventKind.SESSION_ENDED, run_id, key, **ended),
            self._event(EventKind.SESSION_FETCHED, run_id, key, results_dir=str(folder)),
            self._event(EventKind.SESSION_JUDGED, run_id, key, **judged),
            self._event(EventKind.SESSION_CLOSED, run_id, key, **closed),
        ]

    def _write(self, folder: Path, ticket: Ticket, made: Made, began: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        seen = made.end if made.seen is None else made.seen
        reports: list[dict[str, Any]] = [{"kind": "started", **ticket.stamp()}]
        for steps in sorted({*made.evaluations, *made.rewards, seen}):
            reward = {"reward_mean": made.rewards[steps]} if steps in made.rewards else {}
            reports.append({"kind": "progress", "steps": steps, "target_steps": 100, "steps_per_s": 5.0, **reward})
            if steps in made.evaluations:
                score = made.evaluations[steps]
                reports.append({"kind": "evaluated", "steps": steps, "score": score, "best_steps": steps})
        lines = (
            json.dumps({"at": (began + timedelta(seconds=at)).isoformat(), **one}) for at, one in enumerate(reports)
        )
        (folder / EVENTS_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if made.manifest:
            (folder / MANIFEST_NAME).write_text(json.dumps(self._manifest(ticket, made, began)), encoding="utf-8")

    def _manifest(self, ticket: Ticket, made: Made, began: datetime) -> dict[str, Any]:
        ending = KernelEnding(made.reason)
        finished = ending is KernelEnding.FINISHED
        outcome = SectionOutcome(
            ending=ending,
            steps_start=made.start,
            steps_done=made.end,
            verdict=Verdict(made.verdict) if finished and made.verdict else None,
            verdict_reasons=made.reasons if finished and made.verdict else (),
            training={"policy_digest_after": digest_of([ticket.lineage_id, made.end])},
            summary=dict(made.summary or made.numbers),
        )
        return Manifest(
            stamp=ticket.stamp(),
            spec=dict(ticket.spec),
            started_at=began.isoformat(),
            ended_at=self._at.isoformat(),
            exit_code=EXIT_CODES[ending],
            error=None,
            outcome=outcome,
            inputs=(),
            files=(),
            timings_s={"wall": made.hours * 3600.0},
        ).to_json()

    def _event(
        self, kind: EventKind, run_id: str, key: str | None = None, when: datetime | None = None, /, **body: Any
    ) -> Event:
        return Event(kind=kind, at=(when or self._at).isoformat(), run_id=run_id, session=key, body=body)


def campaign_yaml(seeds: int | Sequence[int] = 2, gammas: Sequence[float] = ()) -> str:
    """A campaign of the toy section in its quick profile, with the target of 40 steps."""
    many = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    matrix = f"    matrix: {{algorithms.DQN.gamma: {list(gammas)}}}\n" if gammas else ""
    return (
        f"campaign: pages\ntitle: Pages of a toy\ntrials:\n  main:\n    section: section_7_6\n    profile: quick\n"
        f"    seeds: {many}\n{matrix}"
    )
