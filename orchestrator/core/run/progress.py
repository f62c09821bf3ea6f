"""What a run does next: start a session, or end with a reason. Numbers in, decision out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason

MAX_FRUITLESS_SESSIONS = 3
"""Sessions in a row that moved nothing on before a run says that it is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """Where a run stands after its last session, or before its first.

    Attributes:
        steps_done: Steps of the newest verified checkpoint in the models directory.
        last_end: How the last session of this run ended, None before the first.
        moved_on: Whether the last session moved the science on.
        emptied: Whether the directory holds fewer steps than before the last session: somebody emptied it.
        fruitless: Sessions in a row that did not, those aside that had no room on their disk.
    """

    steps_done: int
    target_steps: int
    last_end: EndReason | None = None
    moved_on: bool = False
    fruitless: int = 0
    emptied: bool = False

    @property
    def at_target(self) -> bool:
        """Whether there is nothing left to train."""
        return self.steps_done >= self.target_steps

    def back_at(self, steps_done: int) -> RunProgress:
        """The standing after its newest checkpoint was left for an earlier one: what follows is measured from there."""
        return replace(self, steps_done=steps_done)

    def after(self, end: EndReason, steps_done: int) -> RunProgress:
        """The standing after one more session."""
        moved_on = steps_done > self.steps_done
        return RunProgress(
            steps_done=steps_done,
            target_steps=self.target_steps,
            last_end=end,
            moved_on=moved_on,
            fruitless=0 if moved_on else self.fruitless + (EFFECTS[end] is not Effect.REST),
            emptied=steps_done < self.steps_done,
        )


def progress_from_history(
    sessions: Iterable[SessionRecord], *, steps_start: int, target_steps: int
) -> RunProgress | None:
    """The standing of a run that an earlier command left, from its closed sessions, oldest first.

    Returns:
        None where no session was closed, or the ledger is too old to say what was in place after one.
    """
    standing = RunProgress(steps_done=steps_start, target_steps=target_steps)
    for record in sessions:
        for _ in range(record.lost_pushes):
            standing = standing.after(EndReason.NEVER_SUBMITTED, standing.steps_done)
        if record.never_submitted or record.stage is not Stage.CLOSED:
            continue
        if record.end_reason is None or record.models_steps is None:
            return None
        if record.steps_begun is not None and record.steps_begun < standing.steps_done:
            standing = standing.back_at(record.steps_begun)  # a walk back came before it
        standing = standing.after(EndReason(record.end_reason), record.models_steps)
    return standing if standing.last_end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, and why.

    Attributes:
        start_session: Whether a session follows.
        same_session: Whether it is another attempt at the last session, which moved nothing on.
        end: Word for the run's end when none follows.
    """

    start_session: bool
    same_session: bool = False
    end: str = ""


def next_step(standing: RunProgress) -> Decision:
    """The next step of a run."""
    end = standing.last_end
    if end is None:
        return Decision(start_session=False, end="at_target") if standing.at_target else Decision(start_session=True)
    effect = EFFECTS[end]
    if standing.emptied:
        # Steps never go back by themselves. To begin anew is the user's next command, not ours.
        return Decision(start_session=False, end="emptied")
    if end is EndReason.FINISHED and standing.at_target:
        return Decision(start_session=False, end=EndReason.FINISHED.value)
    if effect in (Effect.GIVE_UP, Effect.HALT, Effect.REST):
        return Decision(start_session=False, end=end.value)
    if standing.fruitless >= MAX_FRUITLESS_SESSIONS:
        return Decision(start_session=False, end="stuck")
    return Decision(start_session=True, same_session=not standing.moved_on and effect is Effect.TRY_AGAIN)
