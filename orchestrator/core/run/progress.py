"""How far a run is, and whether another session follows or it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason

MAX_FRUITLESS_SESSIONS = 3
"""Sessions in a row without progress after which a run ends as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far a run is after its last session, or before its first.

    Attributes:
        steps_done: Steps of the newest verified checkpoint in the models directory.
        target_steps: Where the run ends, None if the section decides.
        last_end: How the last session of this run ended, None before the first.
        moved_on: Whether the last session left more steps in place.
        emptied: Whether fewer steps are in place than before the last session: the user emptied the directory.
        declared_done: Whether the section has declared its training finished below the target, or without one.
        fruitless: Sessions in a row without progress, those with a full disk not counted.
    """

    steps_done: int
    target_steps: int | None
    last_end: EndReason | None = None
    moved_on: bool = False
    fruitless: int = 0
    emptied: bool = False
    declared_done: bool = False

    @property
    def at_target(self) -> bool:
        """Whether there is nothing left to train."""
        return self.declared_done or (self.target_steps is not None and self.steps_done >= self.target_steps)

    def back_at(self, steps_done: int) -> RunProgress:
        """The progress after a walk back: later sessions are measured from the earlier checkpoint."""
        return replace(self, steps_done=steps_done, declared_done=False)

    def after(self, end: EndReason, steps_done: int, *, same_target: bool = False) -> RunProgress:
        """The progress after one more session.

        Args:
            same_target: Whether that session had the target of the run, so that its end is the end of the training.
        """
        moved_on = steps_done > self.steps_done
        return RunProgress(
            steps_done=steps_done,
            target_steps=self.target_steps,
            last_end=end,
            moved_on=moved_on,
            fruitless=0 if moved_on else self.fruitless + (EFFECTS[end] is not Effect.REST),
            emptied=steps_done < self.steps_done,
            declared_done=same_target and end is EndReason.FINISHED,
        )


def progress_from_history(
    sessions: Iterable[SessionRecord], *, steps_start: int, target_steps: int | None
) -> RunProgress | None:
    """The progress of a run that an earlier command began, from its closed sessions, oldest first.

    Returns:
        None if no session was closed, or the ledger is too old to know what was in place after one.
    """
    progress = RunProgress(steps_done=steps_start, target_steps=target_steps)
    for record in sessions:
        for _ in range(record.lost_pushes):
            progress = progress.after(EndReason.NEVER_SUBMITTED, progress.steps_done)
        if record.never_submitted or record.stage is not Stage.CLOSED:
            continue
        if record.end_reason is None or record.models_steps is None:
            return None
        if record.steps_begun is not None and record.steps_begun < progress.steps_done:
            progress = progress.back_at(record.steps_begun)  # a walk back came before it
        same_target = record.target_steps == target_steps
        progress = progress.after(EndReason(record.end_reason), record.models_steps, same_target=same_target)
    return progress if progress.last_end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a session follows.

    Attributes:
        start_session: Whether a session follows.
        same_session: Whether it is another attempt at the last session, which made no progress.
        end: Why the run ends if none follows.
    """

    start_session: bool
    same_session: bool = False
    end: str = ""


def next_step(progress: RunProgress) -> Decision:
    """Decide from the progress alone whether another session follows."""
    if progress.emptied:
        # Steps never go back by themselves. Starting over is the user's decision.
        return Decision(start_session=False, end="emptied")
    end = progress.last_end
    if end is None:
        return Decision(start_session=False, end="at_target") if progress.at_target else Decision(start_session=True)
    effect = EFFECTS[end]
    if end is EndReason.FINISHED and progress.at_target:
        return Decision(start_session=False, end=EndReason.FINISHED.value)
    if effect in (Effect.GIVE_UP, Effect.HALT, Effect.REST):
        return Decision(start_session=False, end=end.value)
    if progress.fruitless >= MAX_FRUITLESS_SESSIONS:
        return Decision(start_session=False, end="stuck")
    return Decision(start_session=True, same_session=not progress.moved_on and effect is Effect.TRY_AGAIN)
