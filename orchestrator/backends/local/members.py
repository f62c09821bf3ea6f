"""The sessions in one sandbox: usually one, in a pack several."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.pack import own_lines_from
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.files.outputs import copy_outputs
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import PACK_NAME, Ticket

DAMAGED_END = "its record of the end is damaged"
"""State of a session whose `exit.json` cannot be used: its manifest has the exit code."""


def tickets_of(sandbox: Sandbox) -> tuple[Ticket, ...]:
    """The tickets of all sessions, in order; empty if another version of this program wrote them."""
    first, others = read_json(sandbox.ticket), read_json(sandbox.companions)
    companions = [] if others is None else others.get("tickets")
    if first is None or not isinstance(companions, list):
        return ()
    try:
        return tuple(read_ticket(plain) for plain in (first, *companions))
    except ValueError:
        return ()  # or they are damaged: nothing can be verified with them


def own_end(sandbox: Sandbox, member: int | None, ended: Mapping[str, object]) -> Observation:
    """How a session ended; in a pack by the pack's record.

    Without an exit code there, its kernel ended before it did.

    Args:
        ended: What the supervisor recorded of the kernel; empty if that is damaged.
    """
    exit_code, reason = ended.get("exit_code"), ended.get("reason")
    native = f"exit {exit_code}" if ended else DAMAGED_END
    record = sandbox.working / PACK_NAME
    if member is not None and record.is_file():
        exit_code = exit_code_in_pack(record, member)
    elif not ended:
        exit_code = manifest_code(sandbox.output(member))
    return Observation(
        state=SessionState.ENDED,
        native=native,
        exit_code=exit_code if isinstance(exit_code, int) else None,
        reason=EndReason(reason) if isinstance(reason, str) and reason in list(EndReason) else None,
    )


def manifest_code(working: Path) -> int | None:
    """The exit code in a manifest, None without a readable one: after the fetch a damaged manifest is reported."""
    try:
        manifest = read_manifest(working)
    except ValueError:
        return None
    return manifest.exit_code if manifest else None


def copy_session(sandbox: Sandbox, member: int | None, into: Path) -> tuple[MissingFile, ...]:
    """Copy a session's outputs and its part of the log into a new folder.

    Returns:
        What cannot be copied: broken links, links to folders elsewhere, pipes, files without permission to read.

    Raises:
        OSError: They cannot be read, or there is no room for them.
    """
    into.mkdir(parents=True)  # stays empty for a session of a pack that never started
    own = None if member is None else partial(own_lines_from, member=member)
    left = copy_outputs(sandbox.output(member), sandbox.log, into, own)
    return tuple(MissingFile(path=path.as_posix(), lack=Lack.WITHHELD, reason=reason) for path, reason in left)


def note_fetched(sandbox: Sandbox, member: int | None) -> None:
    """Note that a session's outputs were fetched: the sandbox may be emptied once all of them were."""
    if member is not None:
        sandbox.fetched_member(member).touch()
        numbers = range(1, len(tickets_of(sandbox)) + 1)
        if not all(sandbox.fetched_member(number).exists() for number in numbers):
            return
    sandbox.fetched.touch()
