"""What the user asks of a run, and the target that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orchestrator.core.checkpoint.compatibility import Grade
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.section.card import MOST_STEPS, Profile, SectionCard
from orchestrator.kernel.checkpoint.resume_grade import EXACT, WEIGHTS_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One `run` command.

    Attributes:
        target_steps: Total steps to reach instead of the profile's; at most one of it and `add_steps`.
        add_steps: Steps to train beyond those already done.
        fresh: Archive what is there and start over.
        deadline_s: Wall seconds of each session instead of the profile's.
        detach: Leave as soon as a session is in flight.
        starts: Start sessions; a request that only collects what has ended does not.
        accept_grade: Lowest resume grade that the user accepts for this run, None for the card's floor.
        campaign: Name of the campaign that asks, empty for a run by hand.
        new_image_before: Checkpoints of sessions that began before this moment continue in the backend's present image
            (aware time, from `--new-image`); None to keep the image of the earlier sessions.
        proof: What each session does for a proof of resume, plain JSON; empty for every other run.
    """

    card: SectionCard
    profile: str
    target_steps: int | None = None
    add_steps: int | None = None
    fresh: bool = False
    deadline_s: float | None = None
    detach: bool = False
    starts: bool = True
    accept_grade: str | None = None
    campaign: str = ""
    new_image_before: datetime | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.accept_grade not in (None, WEIGHTS_ONLY):
            raise BadInput(
                f"--accept-grade takes {WEIGHTS_ONLY}, not {self.accept_grade}",
                remedy="Better grades need no flag; a card may demand `exact` with its resume_floor.",
            )
        if self.accept_grade and self.card.resume_floor == EXACT:
            raise BadInput(
                f"the card of {self.card.section} demands resume_floor: exact, which no flag overrides",
                remedy="Change resume_floor in the card, or use --fresh to start over.",
            )
        if self.accept_grade and self.fresh:
            raise BadInput(
                "--accept-grade and --fresh exclude each other: from the weights in place, or from step 0",
                remedy="Give one of them.",
            )
        if self.target_steps is not None and self.add_steps is not None:
            raise BadInput("--target-steps and --add-steps exclude each other", remedy="Give one of them.")
        for flag, value in (
            ("--target-steps", self.target_steps),
            ("--add-steps", self.add_steps),
            ("--deadline-s", self.deadline_s),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"{flag} must be above 0 and finite, not {value}", remedy="Give a positive number.")
            if value is not None and value > MOST_STEPS:
                raise BadInput(f"{flag} must not exceed {MOST_STEPS}, not {value}", remedy="Give a smaller number.")

    @property
    def floor(self) -> Grade:
        """Lowest grade at which this run resumes."""
        return Grade.of(self.accept_grade or self.card.resume_floor)

    def target(self, steps_done: int, interrupted: RunRecord | None = None) -> int | None:
        """Steps at which the run ends, None if the section decides; arguments as for `sizes`."""
        if self.target_steps is not None:
            return self.target_steps
        if self.add_steps is not None:
            return interrupted.target_steps if interrupted else steps_done + self.add_steps
        return self.card.profiles[self.profile].target_steps

    def sizes(
        self, steps_done: int, *, reached_meanwhile: bool = False, interrupted: RunRecord | None = None
    ) -> Profile:
        """The sizes of the run's sessions.

        Args:
            steps_done: Steps of the checkpoint that the run starts from.
            reached_meanwhile: Whether a session of an earlier command has just added some of them, which the user
                could not know.
            interrupted: The run that this command continues; its target was fixed when it began.

        Raises:
            BadInput: The target that was asked for lies below the steps already done, or there is none.
        """
        profile = self.card.profiles[self.profile]
        target_steps = self.target(steps_done, interrupted)
        if self.target_steps is not None:
            below = self.target_steps + self.card.overshoot_steps(self.profile) <= steps_done
            if below and not reached_meanwhile:
                raise BadInput(
                    f"--target-steps {target_steps} is below the {steps_done} steps already done",
                    remedy=f"Give at least {steps_done}, or --add-steps N, or --fresh to start over.",
                )
        if target_steps is not None and target_steps > MOST_STEPS:
            raise BadInput(
                f"--add-steps {self.add_steps} gives a target above {MOST_STEPS}: {steps_done} steps are done",
                remedy="Give a smaller number.",
            )
        deadline_s = self.deadline_s or profile.deadline_s
        if (target_steps, deadline_s) == (profile.target_steps, profile.deadline_s):
            return profile
        return replace(profile, target_steps=target_steps, deadline_s=deadline_s)
