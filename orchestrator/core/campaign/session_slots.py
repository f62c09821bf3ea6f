"""How many sessions of a campaign may be in flight together, in total or for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from orchestrator.core.section.overrides import MOST_TRIALS
from orchestrator.core.section.session_kind import SessionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The slots of a campaign.

    Attributes:
        total: Of all kinds together.
        by_kind: Kind -> its slots; None if sessions of any kind share all slots.
    """

    total: int
    by_kind: Mapping[SessionKind, int] | None = None

    @property
    def kinds(self) -> tuple[SessionKind, ...]:
        """Kinds that have slots of their own or share them all."""
        if self.by_kind is None:
            return tuple(SessionKind)
        return tuple(kind for kind in SessionKind if self.by_kind.get(kind))

    def of(self, kind: SessionKind) -> int:
        """Most sessions of a kind that may be in flight together."""
        return self.total if self.by_kind is None else self.by_kind.get(kind, 0)

    def has_free(self, kind: SessionKind, in_use: Mapping[SessionKind, int]) -> bool:
        """Whether a session of this kind may start while these are in flight."""
        used = sum(in_use.values()) if self.by_kind is None else in_use.get(kind, 0)
        return used < self.of(kind)

    def __str__(self) -> str:
        if self.by_kind is None:
            return str(self.total)
        return " and ".join(f"{self.by_kind[kind]} {kind.value.upper()}" for kind in self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Sessions that may be in flight together, by kind. Kaggle runs two GPU and five CPU sessions per account.

    Attributes:
        gpu: Sessions with a GPU; they spend the weekly quota.
        cpu: Sessions without one; they spend no quota.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    gpu: int = 0
    cpu: int = 0

    def __post_init__(self) -> None:
        for name, count in (("gpu", self.gpu), ("cpu", self.cpu)):
            if not 0 <= count <= MOST_TRIALS:
                raise ValueError(f"{name} must lie between 0 and {MOST_TRIALS}, not {count}")
        if self.gpu + self.cpu == 0:
            raise ValueError("give at least one session: gpu, cpu or both")

    @property
    def slots(self) -> Slots:
        """Slots of their own for each kind."""
        by_kind = {SessionKind.GPU: self.gpu, SessionKind.CPU: self.cpu}
        return Slots(total=self.gpu + self.cpu, by_kind=by_kind)
