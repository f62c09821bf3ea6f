"""The dependencies of a run, created by `wiring`, and the listing that the runs of one tick share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.messages import Level, Message
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle, Push, RemoteSession
from orchestrator.core.session.slug import is_pack, lineage_prefix, section_prefix
from orchestrator.ports import Backend, Clock, CodeStore, Gate, Ledger, ModelsStore, Narrator, ResultsStore


class Listing:
    """Listed names by backend and section, valid for one tick.

    A service answers with all kernels of an account, page by page, whatever name is asked for. The newest kernels may
    be missing, as in every listing: the caller also asks for them by name.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], Sequence[str]] = {}
        self._packed: dict[tuple[str, str], Sequence[RemoteSession]] = {}

    def names(self, backend: Backend, section: str, lineage_id: str) -> Sequence[str]:
        """Names of a lineage's kernels, in any order.

        Raises:
            RemoteUnavailable: The listing cannot be read; the next call tries again.
        """
        prefix = lineage_prefix(section, lineage_id)
        return [name for name in self.all_names(backend, section) if name.startswith(prefix)]

    def packed(self, backend: Backend, section: str, known: Collection[str]) -> list[RemoteSession]:
        """The sessions in kernels that several trainings of a section share; each kernel is read once.

        Args:
            known: Names of such kernels that need not be read.

        Raises:
            RemoteUnavailable: There is no answer.
        """
        for name in self.all_names(backend, section):
            if is_pack(name) and name not in known and (backend.name, name) not in self._packed:
                self._packed[backend.name, name] = backend.read_all(name)
        read = ((name, sessions) for (where, name), sessions in self._packed.items() if where == backend.name)
        return [one for name, sessions in read if name not in known for one in sessions]

    def all_names(self, backend: Backend, section: str) -> Sequence[str]:
        """Names of all kernels of a section, in any order.

        Raises:
            RemoteUnavailable: The listing cannot be read; the next call tries again.
        """
        key = (backend.name, section)
        if key not in self._names:
            self._names[key] = backend.names(section_prefix(section))
        return self._names[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a run works with.

    Attributes:
        models: The models directory of the section.
        draw_token: Returns a fresh random hex text; injected so that tests can foresee it.
        version: Of the orchestrator, for the rendered script.
        waits: Whether to wait for sessions, slots and quota. A tick leaves instead and runs unattended: an
            absent or empty models directory is then a loss, not the user's wish.
        gate: Searches every push for secrets; None in a simulation, where nothing leaves this computer.
        proven: Returns the facts of a proof that this code of a section (by its digest) resumes exactly, or None.
        listing: The names that the backend lists, read once in a tick; None to read them each time.
        elsewhere: Other backends that may have sessions of the training which the ledger does not know; each is asked
            before a tick starts one.
        away: Backend, fault -> reports that one of them did not answer.
        hold: Takes a prepared push instead of submitting it, so that several can share a kernel; None to submit it.
        places: Sessions that share the script; each may embed its part of checkpoints.
        require_home: Raises StorageFault if the user has moved or deleted the project since the command began.
    """

    backend: Backend
    clock: Clock
    ledger: Ledger
    models: ModelsStore
    results: ResultsStore
    code: CodeStore
    narrator: Narrator
    draw_token: Callable[[], str]
    version: str
    waits: bool = True
    listing: Listing | None = None
    elsewhere: tuple[Backend, ...] = ()
    away: Callable[[str, RemoteUnavailable], None] = lambda backend, fault: None
    hold: Callable[[Push], Handle] | None = None
    places: int = 1
    gate: Gate | None = None
    proven: Callable[[SectionCard, str], Mapping[str, Any] | None] = lambda card, digest: None
    require_home: Callable[[], None] = lambda: None

    def detail(self, code: str, *lines: str) -> None:
        """Report routine of one session."""
        self._report(Level.DETAIL, code, lines)

    def info(self, code: str, *lines: str) -> None:
        """Report a step of the run."""
        self._report(Level.INFO, code, lines)

    def warn(self, code: str, *lines: str) -> None:
        """Report what a person should know whatever else is shown."""
        self._report(Level.WARNING, code, lines)

    def _report(self, level: Level, code: str, lines: tuple[str, ...]) -> None:
        if lines:
            self.narrator.report(Message(level=level, code=code, lines=lines))

    def record(self, kind: EventKind, run_id: str, session: str | None = None, /, **body: object) -> None:
        """Put an event into the ledger, stamped with the time."""
        self.ledger.record(self.event(kind, run_id, session, **body))

    def event(self, kind: EventKind, run_id: str, session: str | None = None, /, **body: object) -> Event:
        """An event of now, for the ledger."""
        now: datetime = self.clock.now()
        return Event(kind=kind, at=now.isoformat(), run_id=run_id, session=session, body=body)
