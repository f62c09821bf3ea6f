"""The embedded default: no account, no network, the same script and the same runtime as on Kaggle."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.backends.local.installation import LIBRARIES, installed_versions
from orchestrator.backends.local.processes import held, start_supervisor, withdraw_unless_submitted
from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.backends.local.sweeping import sweep
from orchestrator.core.errors import BadInput, NameTaken
from orchestrator.core.session.backend_types import (
    Capabilities,
    Carrier,
    CheckpointSet,
    Handle,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
    SessionState,
)
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.files.workspace import ROOT_VARIABLE
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import Ticket
from orchestrator.ports import Backend

OWNER = "local"
_STARTING_S = 30.0
"""An interpreter takes a second to start; a busy disk some more."""
_WALL_FACTOR, _WALL_EXTRA_S = 1.5, 120.0


class LocalBackend(Backend):
    """Sessions as subprocesses, each in a sandbox of its own.

    Args:
        root: Folder of all sandboxes.
        python: Interpreter that runs the kernels.
    """

    name = "local"

    def __init__(self, root: Path, python: str = sys.executable) -> None:
        self._root = root
        self._python = python

    @property
    def capabilities(self) -> Capabilities:
        """No wall but the section's own deadline; checkpoints travel as a mounted folder."""
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
        )

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        return Push(slug=slug, owner=OWNER, script=script, ticket=ticket, carrier=carrier, checkpoints=checkpoints)

    def stage(self, push: Push) -> None:
        """Make the sandbox. Repeatable until the session is submitted.

        Raises:
            BadInput: The science's libraries are not installed.
            NameTaken: The sandbox of that name holds another session.
            OSError: The disk refused; nothing is left of the sandbox.
        """
        absent = sorted(set(LIBRARIES) - set(self.capabilities.runtime_versions))
        if absent:
            raise BadInput(
                f"the local backend needs {', '.join(absent)}",
                remedy="Install them with `make run`, or `pip install -c constraints.txt -e .[train]`.",
            )
        sandbox = self._sandbox(push.slug)
        submitted = read_json(sandbox.submitted)
        if submitted is not None:
            if submitted.get("nonce") != push.ticket.nonce:
                raise NameTaken(f"{sandbox.root} already holds another session")
            return
        sweep(self._root)
        if sandbox.root.exists():
            shutil.rmtree(sandbox.root)
        try:
            self._fill(sandbox, push)
        except OSError:
            shutil.rmtree(sandbox.root, ignore_errors=True)  # half a sandbox would only keep the disk full
            raise

    def _fill(self, sandbox: Sandbox, push: Push) -> None:
        for folder in (sandbox.working, sandbox.input, sandbox.scratch):
            folder.mkdir(parents=True)
        mount = sandbox.input / f"{push.slug}-checkpoints"
        for entry in push.checkpoints.entries:
            destination = mount / entry.path
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(push.checkpoints.root / entry.path, destination)
        write_text(sandbox.script, push.script)
        write_json(sandbox.ticket, push.ticket.to_json())
        write_json(sandbox.launch, self._plan(push.ticket, sandbox))

    def submit(self, push: Push) -> Handle:
        """Start the supervisor and wait for its word that the session exists.

        Raises:
            RemoteUnavailable: The supervisor died before that.
        """
        start_supervisor(self._sandbox(push.slug).root, self._python)
        return Handle(backend=self.name, owner=OWNER, slug=push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket if it was ever submitted, recognised by its nonce.

        One that is not found can never start any more: a supervisor on its way finds its launch withdrawn.
        """
        submitted = withdraw_unless_submitted(self._sandbox(slug))
        if submitted is None or submitted.get("nonce") != ticket.nonce:
            return None
        return Handle(backend=self.name, owner=OWNER, slug=slug)

    def read(self, slug: str) -> RemoteSession | None:
        """What the session of that name was told; None if none was ever submitted under it, or none of this version."""
        sandbox = self._sandbox(slug)
        submitted, plain = read_json(sandbox.submitted), read_json(sandbox.ticket)
        if submitted is None or plain is None:
            return None
        try:
            ticket = Ticket.from_json(plain)
        except (ValueError, KeyError, TypeError):
            return None  # of another version of this program, or damaged: nothing can be verified by it
        handle = Handle(backend=self.name, owner=OWNER, slug=slug)
        return RemoteSession(handle=handle, ticket=ticket, begun_at=parse_timestamp(str(submitted["at"])))

    def names(self, prefix: str) -> Sequence[str]:
        """Sandboxes that were made here under a name that begins so."""
        return [path.name for path in self._root.glob(f"{prefix}*")]

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted here and never fetched, oldest first."""
        found: list[tuple[str, RemoteSession]] = []
        for path in self._root.iterdir() if self._root.is_dir() else ():
            sandbox = self._sandbox(path.name)
            submitted, existing = read_json(sandbox.submitted), self.read(path.name)
            if submitted is None or existing is None or sandbox.fetched.exists() or not sandbox.working.is_dir():
                continue
            if existing.ticket.lineage_id == lineage_id:
                found.append((str(submitted["at"]), existing))
        return [existing for _, existing in sorted(found, key=lambda entry: entry[0])]

    def observe(self, handle: Handle) -> Observation:
        """One look: the end is what the supervisor wrote, never mere silence."""
        sandbox = self._sandbox(handle.slug)
        if not sandbox.submitted.exists():
            return Observation(state=SessionState.ABSENT, native="no sandbox")
        ended = read_json(sandbox.ended)
        if ended is not None:
            return _ended(ended)
        begun = sandbox.kernel_begun.exists()  # before the locks are looked at: it may come while they are
        if held(sandbox.supervisor_lock) or held(sandbox.kernel_lock):
            return Observation(state=SessionState.RUNNING, native="running")
        ended = read_json(sandbox.ended)
        if ended is not None:  # it ended between the two looks
            return _ended(ended)
        if not begun and time.time() - sandbox.submitted.stat().st_mtime < _STARTING_S:
            # The supervisor may have been killed while its kernel was on its way to that lock.
            return Observation(state=SessionState.RUNNING, native="starting")
        # Both processes are gone without a word (power cut, kill -9): only the manifest knows the exit code.
        return Observation(state=SessionState.ENDED, native="vanished", exit_code=_manifest_code(sandbox.working))

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New whole lines of the log after byte `cursor`."""
        try:
            with self._sandbox(handle.slug).log.open("rb") as stream:
                stream.seek(cursor)
                fresh = stream.read()
        except FileNotFoundError:
            return
        for line in fresh[: fresh.rfind(b"\n") + 1].split(b"\n")[:-1]:
            cursor += len(line) + 1
            yield line.decode("utf-8", "replace").rstrip("\r"), cursor

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Copy the outputs and the log beside the destination, then rename: never half a folder."""
        sandbox = self._sandbox(handle.slug)
        if not sandbox.working.is_dir():  # emptied after an earlier fetch, whose copy is then the only one
            return Retrieval(folder=into, missing=() if into.is_dir() else ("every output",))
        partial = into.with_name(f".fetching-{into.name}")
        if partial.exists():
            shutil.rmtree(partial)
        try:
            shutil.copytree(sandbox.working, partial)
            if sandbox.log.is_file():
                text = sandbox.log.read_bytes().decode("utf-8", "replace")
                (partial / "kernel.log").write_bytes(text.encode("utf-8"))
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)  # the sandbox still has all of it
            raise
        if into.exists():
            shutil.rmtree(into)
        os.replace(partial, into)
        sandbox.fetched.touch()
        return Retrieval(folder=into)

    def cancel(self, handle: Handle) -> None:
        """Ask the session to save and leave."""
        sandbox = self._sandbox(handle.slug)
        if sandbox.root.is_dir():
            sandbox.cancel.touch()

    def _sandbox(self, slug: str) -> Sandbox:
        return Sandbox(root=self._root / slug)

    def _plan(self, ticket: Ticket, sandbox: Sandbox) -> dict[str, object]:
        deadline_s = ticket.spec.get("deadline_s")
        return {
            "nonce": ticket.nonce,
            "python": self._python,
            "wall_limit_s": None if deadline_s is None else deadline_s * _WALL_FACTOR + _WALL_EXTRA_S,
            "environment": {
                ROOT_VARIABLE: str(sandbox.kaggle),
                **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(sandbox.scratch)),
            },
        }


def _ended(plain: Mapping[str, object]) -> Observation:
    exit_code, reason = plain["exit_code"], plain["reason"]
    return Observation(
        state=SessionState.ENDED,
        native=f"exit {exit_code}",
        exit_code=exit_code if isinstance(exit_code, int) else None,
        reason=EndReason(str(reason)) if reason else None,
    )


def _manifest_code(working: Path) -> int | None:
    try:
        manifest = read_manifest(working)
    except ValueError:
        return None  # a damaged manifest is judged after the fetch, where it is reported
    return manifest.exit_code if manifest else None
