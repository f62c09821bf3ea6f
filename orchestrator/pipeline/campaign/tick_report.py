"""What a tick found and did, gathered while it is at work and told at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State, TrialStatus, unfinished
from orchestrator.core.errors import BadInput, OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord, Stage

LOST_LEASE = "another tick has taken over"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What a tick found and did.

    Attributes:
        changes: One sentence each.
        troubles: What went wrong and is tried again by the next tick.
        waits: Why nothing more is started although trials wait: slots, quota, deadline, a stop rule; may be empty.
        remote_away: Whether the far side could not be asked.
        left_in_flight: Sessions that are not home yet, of trainings that have left their search or were taken out.
    """

    standings: tuple[TrialStatus, ...]
    changes: tuple[str, ...]
    troubles: tuple[str, ...] = ()
    waits: str = ""
    stopped: str = ""
    remote_away: bool = False
    left_in_flight: int = 0

    @property
    def over(self) -> bool:
        """Whether no tick will do anything more, as things stand."""
        if self.left_in_flight:
            return False
        if self.stopped:
            return not any(one.state is State.LIVE for one in self.standings)
        return all(one.state.final for one in self.standings)

    @property
    def complete(self) -> bool:
        """Whether of every variant as many trials are done as must complete, spares for failed seeds included.

        A search is complete when all its proposals are decided and one of them at least is done.
        """
        return not unfinished(self.standings)


class TickLog:
    """One tick's, so far.

    Attributes:
        changes: One sentence each.
    """

    def __init__(self) -> None:
        self.changes: list[str] = []
        self._troubles: list[str] = []
        self._away = False

    def trouble(self, what: str, fault: OrchestratorError) -> None:
        """Something went wrong; the next tick tries again."""
        self._away |= isinstance(fault, RemoteUnavailable) and not isinstance(fault, BadInput)
        self._troubles.append(f"{what}: {fault}" + (f" {fault.remedy}" if fault.remedy else ""))

    def came_home(self, trial: Trial, record: SessionRecord | None) -> None:
        """What became of a session, if it is closed now, of a training that the campaign has no more."""
        if record is not None and record.stage is Stage.CLOSED:
            how = "brought home" if record.restored else f"ended ({record.end_reason}), nothing came back"
            self.changes.append(f"{trial.label} [{trial.name8}]: {how}; the campaign has it no more")

    def lost_lease(self) -> None:
        """Another tick has taken over; said once."""
        if LOST_LEASE not in self._troubles:
            self._troubles.append(LOST_LEASE)

    def told(
        self, before: tuple[TrialStatus, ...], after: tuple[TrialStatus, ...], *, waits: str, stopped: str, left: int
    ) -> TickReport:
        """All of it, with every trial that stands elsewhere than before."""
        self.changes.extend(_moves(before, after))
        return TickReport(
            standings=after,
            changes=tuple(self.changes),
            troubles=tuple(self._troubles),
            waits=waits,
            stopped=stopped,
            remote_away=self._away,
            left_in_flight=left,
        )


def _moves(before: tuple[TrialStatus, ...], after: tuple[TrialStatus, ...]) -> list[str]:
    known: Sequence[TrialStatus | None] = before
    if len(before) != len(after):  # a search has proposed meanwhile; else both are in the campaign's order
        of_lineage = {one.trial.lineage_id: one for one in before}
        known = [of_lineage.get(one.trial.lineage_id) for one in after]
    moves = []
    for was, one in zip(known, after, strict=True):
        if one is not was and (was is None or one.state is not was.state):
            why, earlier = f" ({one.why})" if one.why else "", was.state if was else "proposed"
            moves.append(f"{one.trial.label} [{one.trial.name8}]: {earlier} -> {one.state}{why}")
    return moves
