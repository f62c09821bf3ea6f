"""One training on the page: a row of the table, with its learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.page.source import Source
from orchestrator.core.session.live_progress import clock_text, steps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """A place at which one session ended and the next continued.

    Attributes:
        steps: Absolute step.
        grade: How exact the resume was.
        session: Slug of the session that continued.
        reasons: Why the grade is not `exact`; empty if it is.
    """

    steps: int
    grade: str
    session: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasted:
    """Steps that were trained and lost again, because a session ended after its last save.

    Attributes:
        steps_from: Of the last save.
        steps_to: The furthest that the session reported.
        session: Its slug.
    """

    steps_from: int
    steps_to: int
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A learning curve over absolute steps, each step once.

    Attributes:
        steps: Steps of the evaluations, ascending.
        scores: Score of each, as the section reports it.
        reward_steps: Steps of the training's own reports, ascending; thinned to at most a thousand.
        rewards: Mean reward of each.
        best_steps: Steps of the best model, None where the scores choose none: those of a script, or none at all.
        best_score: Its score.
        wasted_steps: Sum of all steps that were lost.
    """

    steps: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    reward_steps: tuple[int, ...] = ()
    rewards: tuple[float, ...] = ()
    seams: tuple[Seam, ...] = ()
    wasted: tuple[Wasted, ...] = ()
    best_steps: int | None = None
    best_score: float | None = None
    wasted_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The autopsy of a bad ending.

    Attributes:
        verdict: A word of the fixed list of autopsies.
        sentence: The verdict and what it means.
        evidence: `source: text`, the strongest first.
        advice: What the user does next.
        command: The next command.
        session: Slug of the session; empty for the end of a training.
    """

    verdict: str
    sentence: str
    evidence: tuple[str, ...] = ()
    advice: str = ""
    command: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that the section reported at the end.

    Attributes:
        source: On a page of very many trainings it names the session only: the page has the code of each session, and
            the command of each training.
    """

    name: str
    value: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training: one variant with one seed.

    Attributes:
        lineage_id: Its identity.
        label: Label of its variant.
        state: `waiting`, `in flight`, `between sessions`, `done`, `failed`, `stale`, `pruned`, ... for people.
        steps: Steps that are saved; of the latest report while a session is in flight.
        target_steps: None if its section decides.
        grade: The worst grade of its seams; empty without a seam.
        verdict: As in `Headline.verdict`.
        why: Why it failed or waits, one sentence; empty otherwise.
        rate: Steps a second: of the session in flight, else over all sessions; None if unknown.
        eta_s: Seconds until the target, None if unknown or done.
        sessions: Number of its sessions.
        wall_s: Seconds of all its sessions.
        settings: What its card says, nested keys joined with dots; two trainings are compared by it.
        policy_digest: Digest of the final policy, sha256 in hex; empty if there is none.
        command: The command that continues or repeats it.
        ending: The autopsy of a bad ending, None after a good one.
        earlier_endings: The autopsies of earlier sessions that ended badly, oldest first.
    """

    lineage_id: str
    label: str
    section: str
    profile: str
    seed: int | None
    state: str
    steps: int
    target_steps: int | None
    grade: str
    verdict: str
    why: str
    rate: float | None
    eta_s: float | None
    sessions: int
    wall_s: float
    settings: Mapping[str, str]
    command: str
    policy_digest: str = ""
    numbers: tuple[Number, ...] = ()
    curve: Curve = field(default_factory=Curve)
    ending: Ending | None = None
    earlier_endings: tuple[Ending, ...] = ()

    @property
    def progress_line(self) -> str:
        """State, steps, rate and time left, for a terminal."""
        parts = [self.state, steps_of(self.steps, self.target_steps)]
        parts += [] if self.rate is None else [f"{self.rate:.0f} steps/s"]
        parts += [] if self.eta_s is None else [f"{clock_text(self.eta_s)} left"]
        return ", ".join(parts)
