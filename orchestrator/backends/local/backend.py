"""The default backend: no account, no network, the same script and runtime as on Kaggle."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.backends.local.installation import LIBRARIES, installed_versions
from orchestrator.backends.local.members import copy_session, manifest_code, note_fetched, own_end, tickets_of
from orchestrator.backends.local.processes import (
    held,
    start_supervisor,
    withdraw_unless_begun,
    withdraw_unless_submitted,
)
from orchestrator.backends.local.sandbox import Sandbox, bring_back, read_json, sweep
from orchestrator.core.errors import BadInput, NameTaken, RemoteUnavailable
from orchestrator.core.session.backend_types import (
    Carrier,
    CheckpointSet,
    Handle,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
    SessionState,
)
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.core.session.pack import (
    longest_deadline_s,
    member_of,
    own_lines_from,
    require_whole_kernel,
    sessions_of,
)
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.files.atomic import make_folder, replace_folder, sync_tree, write_json, write_text
from orchestrator.kernel.files.outputs import log_lines, recent_events, remove_tree
from orchestrator.kernel.files.workspace import ROOT_VARIABLE, SHARED_VARIABLE
from orchestrator.kernel.wire import EVENTS_NAME, Ticket, member_folder
from orchestrator.ports import Backend

OWNER = "local"
_STARTING_S = 30.0
"""Longest time that an interpreter needs to start, on a busy disk too."""
_WALL_FACTOR, _WALL_EXTRA_S = 1.5, 120.0


class LocalBackend(Backend):
    """Runs sessions as subprocesses, each in its own sandbox.

    Args:
        root: Folder of all sandboxes; sessions share results in the folder `shared` beside it.
        python: Interpreter that runs the kernels.
    """

    name = "local"

    def __init__(self, root: Path, python: str = sys.executable) -> None:
        self._root = root
        self._shared = root.absolute().with_name("shared")  # not below the root, which holds sandboxes only
        self._python = python

    @property
    def capabilities(self) -> Capabilities:
        """No time limit but the section's own deadline; checkpoints are copied into the sandbox's input folder."""
        return Capabilities(
            owner=OWNER,
            device="this computer's CPU",
            max_script_bytes=64_000_000,
            max_wall_s=None,
            look_every_s=(0.2, 1.0),
            can_cancel=True,
            carriers=(Carrier.DATASET,),
            runtime_versions=installed_versions(),
            remembers=True,
            cores=os.cpu_count() or 1,
        )

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        return Push(slug=slug, owner=OWNER, script=script, ticket=ticket, carrier=carrier, checkpoints=checkpoints)

    def stage(self, push: Push) -> None:
        """Create the sandbox. Repeatable until the session is submitted.

        Raises:
            BadInput: Its code imports training libraries that are not installed.
            NameTaken: The sandbox of that slug belongs to another session.
            OSError: The sandbox cannot be written; it is removed again.
        """
        absent = sorted(set(LIBRARIES) & set(push.libraries) - set(self.capabilities.runtime_versions))
        if absent:
            raise BadInput(
                f"{push.ticket.section} imports {', '.join(absent)}, which this computer lacks",
                remedy=f"Install it: python -m pip install {' '.join(LIBRARIES[name] for name in absent)} "
                "(in a clone: `make run`). Kaggle's machines have these libraries: --backend kaggle.",
            )
        sandbox = self._sandbox(push.slug)
        submitted = read_json(sandbox.submitted)
        if submitted is not None:
            if submitted.get("nonce") != push.ticket.nonce:
                raise NameTaken(f"{sandbox.root} already belongs to another session")
            return
        sweep(self._root)
        if sandbox.root.exists():
            remove_tree(sandbox.root)
        try:
            self._fill(sandbox, push)
        except OSError:
            remove_tree(sandbox.root, ignore_errors=True)  # free the disk space again
            raise

    def _fill(self, sandbox: Sandbox, push: Push) -> None:
        for folder in (sandbox.working, sandbox.input, sandbox.scratch):
            make_folder(folder)
        for number, one in enumerate(push.sessions, 1):
            mount = sandbox.input / f"{push.slug}-checkpoints" / (member_folder(number) if push.companions else "")
            for entry in one.checkpoints.entries:
                destination = mount / entry.path
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one.checkpoints.root / entry.path, destination)
        write_text(sandbox.script, push.script)
        write_json(sandbox.ticket, push.ticket.to_json())
        if push.companions:
            write_json(sandbox.companions, {"tickets": [one.ticket.to_json() for one in push.companions]})
        write_json(sandbox.launch, self._plan(push, sandbox))

    def submit(self, push: Push) -> Handle:
        """Start the supervisor and wait until it reports that the session exists.

        Raises:
            RemoteUnavailable: The supervisor died before that.
            StorageFault: The disk is full; the session does not exist.
        """
        start_supervisor(self._sandbox(push.slug).root, self._python)
        return self._handle(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket if it was ever submitted, recognised by its nonce.

        A session that is not found can never start afterwards: its launch is withdrawn.
        """
        sandbox = self._sandbox(slug)
        submitted = withdraw_unless_submitted(sandbox)
        if submitted is None:
            return None
        if not submitted:
            why = f"{sandbox.submitted} is damaged: whether its session runs is not known"
            remedy = f"If none runs, move {sandbox.root} away, then run the same command again."
            raise RemoteUnavailable(why, remedy=remedy)
        if not sandbox.companions.exists():
            return self._handle(slug) if submitted.get("nonce") == ticket.nonce else None
        return member_of(self._handle(slug), tickets_of(sandbox), ticket.nonce)

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug; None if none was submitted, or if another version of this program wrote it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that slug's sandbox."""
        sandbox = self._sandbox(slug)
        submitted, tickets = read_json(sandbox.submitted), tickets_of(sandbox)
        if submitted is None:
            return []
        return sessions_of(self._handle(slug), tickets, begun_at=parse_timestamp(str(submitted.get("at"))))

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of the sandboxes with that prefix."""
        return [path.name for path in self._root.glob(f"{prefix}*")]

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted here and never fetched, oldest first."""
        boxes = (self._sandbox(slug) for slug in self.names(""))
        unfetched = (box.root.name for box in boxes if box.working.is_dir() and not box.fetched.exists())
        sessions = (one for slug in unfetched for one in self.read_all(slug) if one.ticket.lineage_id == lineage_id)
        return sorted((one for one in sessions if not self._was_fetched(one.handle)), key=lambda one: str(one.begun_at))

    def _was_fetched(self, handle: Handle) -> bool:
        """Whether the outputs of one session of a pack were fetched; the others may still be needed."""
        return handle.member is not None and self._sandbox(handle.slug).fetched_member(handle.member).exists()

    def observe(self, handle: Handle) -> Observation:
        """The state now. A session has ended only if the supervisor recorded it or both processes are dead."""
        sandbox = self._sandbox(handle.slug)
        if not sandbox.submitted.exists():
            return Observation(state=SessionState.ABSENT, native="no sandbox")
        begun = sandbox.kernel_begun.exists()  # read before the locks, since the file may be created meanwhile
        alive = held(sandbox.supervisor_lock) or held(sandbox.kernel_lock)
        if not alive:
            bring_back(sandbox)
        if (ended := read_json(sandbox.ended)) is not None:  # read after the locks, since it may end meanwhile
            return own_end(sandbox, handle.member, ended)
        if alive:
            return Observation(state=SessionState.RUNNING, native="running")
        if not begun and time.time() - sandbox.submitted.stat().st_mtime < _STARTING_S:
            # The supervisor may have been killed while its kernel was starting.
            return Observation(state=SessionState.RUNNING, native="starting")
        # Both processes died without recording the end (power cut, kill -9): only the manifest has the exit code.
        return Observation(
            state=SessionState.ENDED, native="vanished", exit_code=manifest_code(sandbox.output(handle.member))
        )

    def never_began(self, handle: Handle) -> bool:
        """Whether its supervisor died before its kernel began; its launch is withdrawn then."""
        return withdraw_unless_begun(self._sandbox(handle.slug))

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New whole lines of the log after byte `cursor`."""
        return own_lines_from(log_lines(self._sandbox(handle.slug).log, cursor), handle.member)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events at the end of the session's event file."""
        return recent_events(self._sandbox(handle.slug).output(handle.member) / EVENTS_NAME)

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Copy the outputs and the log beside the destination, then rename: the folder is never incomplete."""
        sandbox = self._sandbox(handle.slug)
        if not sandbox.working.is_dir():  # emptied after an earlier fetch, whose copy is now the only one
            return Retrieval(folder=into, missing=() if into.is_dir() else ("every output",))
        partial = into.with_name(f".fetching-{into.name}")
        if partial.exists():
            remove_tree(partial)
        try:
            files = copy_session(sandbox, handle.member, partial)
            sync_tree(partial)
        except OSError:
            remove_tree(partial, ignore_errors=True)  # the sandbox still has everything
            raise
        replace_folder(partial, into)
        note_fetched(sandbox, handle.member)
        return Retrieval(folder=into, missing=tuple(map(str, files)), files=files)

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Ask the session to save and stop; in a pack, all of them."""
        require_whole_kernel(handle, "stopped")
        sandbox = self._sandbox(handle.slug)
        if sandbox.root.is_dir():
            sandbox.cancel.touch()

    def _sandbox(self, slug: str) -> Sandbox:
        return Sandbox(root=self._root / slug)

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner=OWNER, slug=slug)

    def _plan(self, push: Push, sandbox: Sandbox) -> dict[str, object]:
        deadline_s = longest_deadline_s(push)
        return {
            "nonce": push.ticket.nonce,
            "python": self._python,
            "wall_limit_s": None if deadline_s is None else deadline_s * _WALL_FACTOR + _WALL_EXTRA_S,
            "environment": {ROOT_VARIABLE: str(sandbox.kaggle), SHARED_VARIABLE: str(self._shared)},
        }
