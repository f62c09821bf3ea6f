"""One training as it was read, from which its row, its curve and its bars on the page follow."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.trial_status import FINISHED, INVALID, TrialStatus
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.reporting.durations import total_s
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.kernel.session.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What one session reported.

    Attributes:
        rewards: Steps and mean reward of its progress reports, oldest first.
        steps_per_s: Its latest rate, None if unknown.
        selects_best: Whether its evaluations name a best model. The scores of a script name none.
    """

    curve: SessionCurve
    rewards: tuple[tuple[int, float], ...] = ()
    steps_per_s: float | None = None
    selects_best: bool = False

    @property
    def series(self) -> tuple[Sized, Sized]:
        """Its evaluations and its rewards."""
        return self.curve.points, self.rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One training.

    Attributes:
        label: Label of its variant.
        everything: All its sessions, oldest first, also those before the user started over.
        records: Those since its beginning, oldest first: the learning curve is theirs. The last one is the session with
            the result, if the training has one.
        reports: Key of a session -> what it reported; a session that never trained has none.
        grades: Steps of a checkpoint -> grade of the resume from it, as the checkpoints state it: a session that was
            killed left no manifest that would.
        run: Its latest run, None before the first.
        settings: What its card says, flattened.
        command: The command that continues or repeats it.
        status: As a trial of a campaign; None outside of one.
        live: Its session in flight, None without one.
        autopsy: Of a bad ending, None after a good one.
        earlier: Slug of an earlier session that ended badly -> its autopsy.
        refusal: Why the last tick of its campaign refused to start it; empty if it did not.
        manifest: Of its newest session, None without a readable one.
    """

    lineage_id: str
    label: str
    section: str
    profile: str
    seed: int | None
    target_steps: int | None
    settings: Mapping[str, str]
    command: str
    everything: tuple[SessionRecord, ...] = ()
    records: tuple[SessionRecord, ...] = ()
    reports: Mapping[str, Reports] = field(default_factory=dict)
    grades: Mapping[int, str] = field(default_factory=dict)
    run: RunRecord | None = None
    status: TrialStatus | None = None
    live: LiveProgress | None = None
    autopsy: Autopsy | None = None
    earlier: Mapping[str, Autopsy] = field(default_factory=dict)
    refusal: str = ""
    manifest: Manifest | None = None

    @property
    def newest(self) -> SessionRecord | None:
        """Its newest session."""
        return self.records[-1] if self.records else None

    @property
    def evaluated(self) -> SessionRecord | None:
        """The session with the section's result, which is its newest one; None while it is not finished.

        A trial of a campaign is finished in its own profile only, and with an invalid result it has failed.
        """
        newest = self.newest
        if newest is None or not newest.evaluated:
            return None
        if self.status is None:
            return newest
        own = newest.ticket["spec"].get("profile") == self.profile
        return newest if own and (self.status.state in FINISHED or self.status.why == INVALID) else None

    @property
    def selects_best(self) -> bool:
        """Whether its evaluations choose a best model: a report, or the newest result, names its steps."""
        stated = None if self.manifest is None else self.manifest.outcome.training.get("best_model_steps")
        return stated is not None or any(one.selects_best for one in self.reports.values())

    @property
    def in_flight(self) -> bool:
        """Whether a session of it is not closed."""
        return any(one.stage is not Stage.CLOSED for one in self.everything)

    def curve(self, record: SessionRecord) -> SessionCurve | None:
        """The learning curve of one of its sessions; None if it reported nothing, or was not read."""
        reports = self.reports.get(record.key)
        return None if reports is None else reports.curve

    @property
    def wall_s(self) -> float:
        """Wall seconds of its sessions since its beginning."""
        return total_s((one, self.curve(one)) for one in self.records)

    def grade_of(self, record: SessionRecord) -> str:
        """How exact the resume of a session was; empty for one that resumed nothing, or if it is unknown."""
        return record.resume_grade or self.grades.get(record.steps_begun or -1, "")
