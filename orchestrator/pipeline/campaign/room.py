"""The room that a tick has for new sessions: free slots of each kind, quota, time until the deadline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.scheduling.forecast import Allowance
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.time_budget import granted_s


class Room:
    """Slots and quota for the sessions that a tick starts; both shrink with each one.

    Args:
        kinds: Kinds of session that any ready trial may use.
        in_flight: Sessions that use a slot; one of an unknown kind uses that of a GPU session.
        deadline: The campaign's own, None without one.
    """

    def __init__(
        self,
        slots: Slots,
        kinds: Collection[SessionKind],
        in_flight: Sequence[SessionRecord],
        deadline: datetime | None = None,
    ) -> None:
        self._slots = slots
        self._kinds = tuple(kind for kind in SessionKind if kind in kinds)
        self._in_use = Counter(record.kind or SessionKind.GPU for record in in_flight)
        self._deadline = deadline
        self._allowed: Allowance | None = None
        self._left_s: float | None = None
        self._closed: dict[SessionKind, str] = {}

    def has_room(self, kind: SessionKind) -> bool:
        """Whether a session of this kind may start."""
        return kind in self._kinds and kind not in self._closed and self._slots.has_free(kind, self._in_use)

    @property
    def is_full(self) -> bool:
        """Whether no session may start."""
        return not any(map(self.has_room, self._kinds))

    def allow(self, allowed: Allowance | None) -> None:
        """Limit GPU sessions to a quota, None for no limit."""
        self._allowed, self._left_s = allowed, allowed.left_s if allowed else None

    def close(self, kind: SessionKind, why: str) -> None:
        """Start no more sessions of a kind in this tick."""
        self._closed[kind] = why

    def grant(self, work: RemainingWork, now: datetime) -> tuple[SessionKind, float] | None:
        """Kind and wall seconds of a trial's next session; None if no kind of session takes it now."""
        for kind in filter(self.has_room, work.kinds):
            left_s = self._left_s if kind is SessionKind.GPU else None
            until_s = (self._deadline - now).total_seconds() if self._deadline else None
            wall_s = granted_s(work.session_s, needed_s=work.overhead_s, left_s=left_s, until_deadline_s=until_s)
            if wall_s is not None and work.better_elsewhere(kind, wall_s, until_s):
                continue
            if wall_s is not None:
                return kind, wall_s
            if until_s is not None and (left_s is None or until_s < left_s):
                self.close(kind, "the time until the deadline is too short for a session")
                continue
            hours = (self._allowed.refresh_in_s if self._allowed else 0.0) / 3600
            why = f"the rest of this week's quota is too short for a session; the next week starts in {hours:.1f} h"
            self.close(kind, why)
        return None

    def use(self, kind: SessionKind, wall_s: float) -> None:
        """Count a session that was started."""
        self._in_use[kind] += 1
        if self._left_s is not None and kind is SessionKind.GPU:
            self._left_s -= wall_s

    def why_full(self) -> str:
        """Why no more sessions start, for each kind; empty if one could."""
        reasons = {kind: self._closed.get(kind, "") for kind in self._kinds if not self.has_room(kind)}
        if not any(reasons.values()) and len(reasons) == len(self._kinds):
            return f"all {self._slots} slots are in use"
        if len(self._kinds) == 1:
            return "".join(reasons.values())
        return "; ".join(
            f"{kind.value.upper()}: {why or f'all {self._slots.of(kind)} slots are in use'}"
            for kind, why in reasons.items()
        )
