"""Starts sessions of several trials in one kernel: each is prepared as if alone, then all are pushed together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import BadInput, InUse, NotYet, StorageFault
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import Stage
from orchestrator.core.session.backend_types import Carrier, Handle, Push
from orchestrator.core.session.pack import member_handles
from orchestrator.core.session.script import Companion, render_kernel
from orchestrator.core.session.slug import pack_slug
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import abandon
from orchestrator.pipeline.session.submit import plan_session, send


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A prepared session that waits for the others of its pack.

    Attributes:
        context: Of its run, with the lock of its models directory not held.
    """

    trial: Trial
    context: RunContext
    push: Push

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since it was prepared: no other session, no other checkpoints."""
        sessions = self.context.ledger.sessions(self.trial.lineage_id)
        free = all(one.stage is Stage.CLOSED for one in sessions)
        return free and self.context.models.view().entries == self.push.checkpoints.entries

    @property
    def archive(self) -> bytes | None:
        """Its checkpoints, if the script must contain them."""
        inline = self.push.carrier is Carrier.INLINE
        return self.context.models.packed(self.push.checkpoints.entries) if inline else None


@dataclass(slots=True)
class PackGatherer:
    """Holds prepared sessions, then submits those that can share a kernel.

    Attributes:
        places: Sessions that are to share the kernel.
        name: Name of their kernel, empty before it is submitted.
    """

    campaign: str
    places: int
    held: list[Held] = field(default_factory=list)
    name: str = ""

    def hold(self, trial: Trial, context: RunContext, push: Push) -> Handle:
        """Hold a session instead of submitting it; returns the handle that it would have alone."""
        self.held.append(Held(trial=trial, context=context, push=push))
        return Handle(backend=context.backend.name, owner=push.owner, slug=push.slug)

    def submit(self) -> tuple[Trial, ...]:
        """Submit as many of the held sessions in one kernel as fit; the trials whose sessions are in it.

        The others have an open run without a session: the next tick starts them.

        Returns:
            Empty if fewer than two can share a kernel.

        Raises:
            NameTaken: The name of the kernel belongs to another one.
            NotYet: The backend takes no session now; nothing was started.
            OutcomeUnknown: The answer was lost; the next tick looks for the sessions.
            BadInput: It was refused permanently.
        """
        with ExitStack() as locks:
            current = []
            for one in self.held:
                try:
                    locks.enter_context(one.context.models.locked())
                except InUse:
                    continue  # a command of the user works on this training
                if one.is_current:
                    current.append(one)
            chosen, packed = self._largest(current)
            if packed is None:
                return ()
            self._send(chosen, packed)
            return tuple(one.trial for one in chosen)

    def _largest(self, current: Sequence[Held]) -> tuple[list[Held], Push | None]:
        """The sessions that can share a kernel with the first one, and the push of them all."""
        chosen: list[Held] = []
        for one in current:
            try:
                if chosen:
                    _packed([*chosen, one], "")
                chosen.append(one)
            except ValueError:
                continue  # another machine or other code: it goes with others
        while len(chosen) > 1:
            script = _script(chosen)
            if len(script.encode("utf-8")) <= chosen[0].context.backend.capabilities.max_script_bytes:
                return chosen, _packed(chosen, script)
            chosen.pop()
        return chosen, None

    def _send(self, chosen: Sequence[Held], packed: Push) -> None:
        """Stage, write the intent of every session, submit."""
        first, self.name = chosen[0].context, packed.slug
        first.backend.stage(packed)
        machine = {} if packed.machine is None else {"machine": packed.machine.to_json()}
        shared = {"kernel": packed.slug, "kernel_sessions": len(chosen), "campaign": self.campaign, **machine}
        keys = [plan_session(one.context, one.push.ticket, one.push.slug, one.push.carrier, **shared) for one in chosen]
        try:
            handle = send(first, packed)
        except (NotYet, BadInput, StorageFault) as fault:
            for one, key in zip(chosen, keys, strict=True):
                if (record := one.context.ledger.session(key)) is not None:
                    abandon(one.context, record, str(fault))
            raise
        for one, key, member in zip(chosen, keys, member_handles(handle, packed), strict=True):
            one.context.record(EventKind.SESSION_SUBMITTED, one.push.ticket.run_id, key, handle=str(member))


def _packed(held: Sequence[Held], script: str) -> Push:
    pushes = [one.push for one in held]
    return held[0].context.backend.pack(pushes, script, pack_slug(pushes[0].slug))


def _script(held: Sequence[Held]) -> str:
    first = held[0]
    return render_kernel(
        first.context.code.template(),
        ticket=first.push.ticket,
        bundle=first.context.code.bundle(first.trial.card),
        title=first.trial.card.title,
        version=first.context.version,
        inline_archive=first.archive,
        companions=[Companion(ticket=one.push.ticket, inline_archive=one.archive) for one in held[1:]],
    )
