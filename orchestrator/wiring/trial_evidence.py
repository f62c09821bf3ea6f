"""What the campaigns of a project know about one trial: its refusal, the rule that ended it, why it waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.autopsy.subject import Candidate
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import INVALID, PLATEAU, REFUSED_HERE, State, TrialStatus
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.reporting.finished_trial import backend_of, run_command
from orchestrator.pipeline.campaign.context import read_trial_statuses
from orchestrator.pipeline.campaign.start import Room
from orchestrator.stores.campaign.campaign_yaml import load_campaign
from orchestrator.stores.ledger.lease import SqliteRefusals
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.wiring import present_digest
from orchestrator.wiring.searches import campaign_trials


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEvidence:
    """What a campaign knows about a trial.

    Attributes:
        label: For people.
        file: What `campaign tick` is called with.
        refusal: Why the last tick refused to start it; empty if it did not.
        waits: Why it waits; empty if it does not, or if that is not known.
        rule: The rule that ended it; empty without one.
        by_hand: The command that trains it further where the tick starts no run of this code; empty if it does.
        stale: Whether it is finished with other code, criteria or scenarios.
    """

    label: str
    file: str
    refusal: str = ""
    waits: str = ""
    rule: str = ""
    by_hand: str = ""
    stale: bool = False


def evidence_of(
    status: TrialStatus, campaign: Campaign, file: str, refusal: str, sessions: Sequence[SessionRecord] = ()
) -> TrialEvidence:
    """What a campaign knows about a trial.

    Args:
        refusal: Why the last tick refused to start it; empty if it did not.
        sessions: All sessions of the ledger, oldest first; without them, why it waits is not examined.
    """
    waiting = status.state is State.WAITING
    ended = status.state is State.FAILED and status.why not in (INVALID, REFUSED_HERE, PLATEAU)
    by_hand = ended and status.trial.variant.searched is None
    return TrialEvidence(
        label=status.trial.label,
        file=file,
        refusal=refusal if waiting or status.state is State.FAILED else "",
        waits=_waits(campaign, sessions) if waiting and sessions and not refusal else "",
        by_hand=f"python -m orchestrator {run_command(status.trial, backend_of(campaign, status))}" if by_hand else "",
        rule="stop.plateau" if status.state is State.FAILED and status.why == PLATEAU else "",
        stale=status.state is State.STALE,
    )


def _waits(campaign: Campaign, sessions: Sequence[SessionRecord]) -> str:
    """Why no session starts: the slots are in use, or the backend refused the last one that was tried."""
    in_flight = [one for one in sessions if one.stage is not Stage.CLOSED and one.backend in campaign.limits]
    room = Room(campaign.slots, campaign.slots.sites, in_flight, campaign.stop.deadline)
    if room.is_full:
        return room.why_full()
    latest = next((one for one in reversed(sessions) if one.backend in campaign.limits), None)
    return latest.problems[0] if latest is not None and latest.never_submitted and latest.problems else ""


def trial_evidence(project: Project, lineage_id: str) -> TrialEvidence | None:
    """What the campaigns of a project know about a training; None if none has it, or if they cannot be read."""
    for campaign, trials in _campaigns(project):
        if not any(trial.lineage_id == lineage_id for trial in trials):
            continue
        try:
            with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
                sessions = ledger.sessions()
                statuses = read_trial_statuses(ledger, campaign, trials, present_digest(project))
                refusal = SqliteRefusals(ledger).reasons().get(lineage_id, "")
        except (OrchestratorError, OSError, ValueError):
            return None
        status = next(one for one in statuses if one.trial.lineage_id == lineage_id)
        return evidence_of(status, campaign, campaign.campaign, refusal, sessions)
    return None


def known_trials(project: Project) -> Iterator[Candidate]:
    """Every trial of the project's campaigns, as candidates without a run."""
    for _, trials in _campaigns(project):
        for trial in trials:
            yield Candidate(section=trial.card.section, lineage_id=trial.lineage_id, run_id="", label=trial.label)


def _campaigns(project: Project) -> Iterator[tuple[Campaign, tuple[Trial, ...]]]:
    """The campaigns in the project's folders that can be read, with their trials."""
    for path in (*sorted(project.campaigns.glob("*.yaml")), *sorted(project.state.glob("*.yaml"))):
        try:
            campaign = load_campaign(path)
            yield campaign, campaign_trials(project, campaign)
        except (OrchestratorError, OSError, ValueError):
            continue
