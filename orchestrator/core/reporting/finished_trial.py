"""A finished trial of a campaign, with everything that traces its numbers to sessions and files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.section.overrides import Setting
from orchestrator.kernel.reporting.trial_report import CampaignReport, StitchedCurve, TrialReport
from orchestrator.kernel.session.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished trial.

    Attributes:
        sessions: The sessions that made the evaluated policy, oldest first; the last one evaluated it.
        manifest: Of that last session.
        manifest_sha256: Of the manifest's file.
        curve: Learning curve over all its sessions.
    """

    standing: TrialStatus
    sessions: tuple[SessionRecord, ...]
    manifest: Manifest
    manifest_sha256: str
    curve: StitchedCurve

    @property
    def trial(self) -> Trial:
        """The trial."""
        return self.standing.trial

    @property
    def evaluating(self) -> SessionRecord:
        """The session that evaluated the policy."""
        return self.sessions[-1]

    @property
    def wall_s(self) -> float:
        """Seconds of its sessions, from their manifests; 0 for a session without one."""
        return round(sum(one.wall_s or 0.0 for one in self.sessions), 3)

    @property
    def resume_grade(self) -> str:
        """The lowest grade of its resumes, empty without a resume."""
        return str(reduce(worse_grade, (one.resume_grade for one in self.sessions)) or "")

    @property
    def policy_digest(self) -> str:
        """Digest of the evaluated policy: the one that the section names, else the final one."""
        outcome = self.manifest.outcome
        evaluated = outcome.summary.get("evaluated_model") or {}
        return str(evaluated.get("policy_digest") or outcome.training.get("policy_digest_after", ""))

    @property
    def command(self) -> str:
        """The `run` command that trains this trial."""
        return run_command(self.trial, self.evaluating.backend)


def backend_of(campaign: Campaign, status: TrialStatus) -> str:
    """The backend on which a trial goes on: that of its latest run, else the first one of its campaign."""
    of_run = status.run.backend if status.run is not None else ""
    return of_run if of_run in campaign.limits else next(iter(campaign.limits))


def run_command(trial: Trial, backend: str) -> str:
    """The `run` command that trains a trial, starting with the word `run`."""
    variant = trial.variant
    words = ["run", variant.card.section, f"--{variant.profile}", "--backend", backend, "--seed", str(trial.seed)]
    for key, value in sorted(variant.settings.items()):
        if _foreign(key, variant.card.algorithm or "", variant.profile):
            continue  # for other variants of the group; `run` would refuse it as without effect
        words += ["--set", f"{key}={as_typed(value)}"]
    return shlex.join(words)


def _foreign(key: str, algorithm: str, profile: str) -> bool:
    """Whether a setting belongs to another algorithm or profile than the trial's."""
    block, _, rest = key.partition(".")
    return {"algorithms": algorithm, "profiles": profile}.get(block, "") not in ("", rest.partition(".")[0])


def as_typed(value: Setting) -> str:
    """A value in the form that `--set` parses: plain words as they are, anything ambiguous as JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_typed, value))}]"
    if isinstance(value, float):  # YAML reads `1e-05` as a word: the mantissa needs a point
        mantissa, exponent, power = repr(value).partition("e")
        return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else repr(value)
    plain_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value) is not None
    reserved = isinstance(value, str) and value.lower() in _YAML_WORDS
    return str(value) if plain_word and not reserved else json.dumps(value, ensure_ascii=False)


_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"})


def trial_report(finished: Finished) -> TrialReport:
    """The trial in the form that its section's report reads."""
    record = finished.evaluating
    trial, ticket = finished.trial, record.ticket
    return TrialReport(
        group=trial.variant.group,
        variant=trial.variant.label,
        seed=trial.seed,
        lineage_id=trial.lineage_id,
        run_id=record.run_id,
        session=record.slug,
        sessions=tuple(one.slug for one in finished.sessions),
        resume_grade=finished.resume_grade,
        command=finished.command,
        code_digest=ticket["bundle_digest"],
        policy_digest=finished.policy_digest,
        results_dir=str(record.results_dir),
        manifest_sha256=finished.manifest_sha256,
        wall_s=finished.wall_s,
        untold=sum(one.wall_s is None for one in finished.sessions),
        curve=finished.curve,
    )


def campaign_report(
    campaign: Campaign, section: str, finished: Sequence[Finished], standings: Sequence[TrialStatus], command: str
) -> CampaignReport:
    """The finished trials of one section, and the state of the others: a partial campaign must look partial.

    Args:
        standings: Status of all trials at the same time as `finished`.
        command: The command line that asked for the report.
    """
    others = [one for one in standings if one.trial.variant.card.section == section and one.state is not State.DONE]
    return CampaignReport(
        campaign=campaign.campaign,
        title=campaign.title,
        section=section,
        command=command,
        trials=tuple(trial_report(one) for one in finished if one.trial.variant.card.section == section),
        unfinished={one.trial.label: one.state.value for one in others},
    )
