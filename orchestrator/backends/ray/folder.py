"""The folder of a session in the storage, and what its starts have stored there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.backends.ray import index as indexes
from orchestrator.backends.ray.entrypoint import driver_code
from orchestrator.backends.ray.index import Index
from orchestrator.backends.ray.storage import Storage
from orchestrator.core.session.backend_types import Push
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.pack.record import exit_code_in_bytes
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import TABLE, TEXT, fields, items, require
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import MANIFEST_NAME, PACK_NAME, Ticket, member_folder

ASKED, WITHDRAWN = b"asked\n", b"withdrawn\n"
"""What the marker `cancel` holds: a person's request, or the end of a session that Ray has lost."""
_SUBMITTED = fields({"nonce": TEXT, "at": TEXT}, others=True)
_TICKETS = fields({"tickets": items(TABLE, least=1)}, others=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFolder:
    """One session's folder in the storage.

    Each start of its job stores its outputs below `starts` under a name of its own, so that two processes never write
    the same file. Usually there is one start.
    """

    storage: Storage
    slug: str

    def fill(self, push: Push, driver: str, sync_s: float) -> None:
        """Store everything that the session needs; its tickets last.

        Args:
            driver: Code of the driver.
            sync_s: Seconds between two times at which a running session stores its outputs.
        """
        inputs = []
        for number, one in enumerate(push.sessions, 1):
            mount = (
                f"{push.slug}-checkpoints/{member_folder(number)}/" if push.companions else f"{push.slug}-checkpoints/"
            )
            for entry in one.checkpoints.entries:
                inputs.append({"path": mount + entry.path, "sha256": entry.sha256})
                self.storage.put(one.checkpoints.root / entry.path, self._path(f"input/{entry.sha256}"))
        kernel = push.script.encode("utf-8")
        self.storage.write(self._path("kernel.py"), kernel)
        digest = hashlib.sha256(kernel).hexdigest()
        code = driver_code(
            driver,
            nonce=push.ticket.nonce,
            kernel_sha256=digest,
            inputs=inputs,
            has_folders=self.storage.has_folders,
            sync_s=sync_s,
        )
        self.storage.write(self._path("driver.py"), code.encode("utf-8"))
        self._write_json("tickets.json", {"tickets": [one.ticket.to_json() for one in push.sessions]})

    def driver_sha256(self) -> str:
        """Digest of the driver file; of no bytes where the folder was not filled, so that nothing can run."""
        return hashlib.sha256(self.storage.read(self._path("driver.py")) or b"").hexdigest()

    def tickets(self) -> tuple[Ticket, ...]:
        """The tickets of all sessions, in order; empty if there are none or they cannot be read."""
        try:
            plain = self._read_json("tickets.json")
            if plain is None:
                return ()
            require(_TICKETS, plain, "tickets.json")
            return tuple(map(read_ticket, plain["tickets"]))
        except (ValueError, KeyError, TypeError):
            return ()

    def nonce(self) -> str:
        """Nonce of the session, in a pack of the first one; empty if there is none."""
        return next((ticket.nonce for ticket in self.tickets()), "")

    def note_submitted(self, nonce: str, at: str) -> None:
        """Note that the job exists; keeps an earlier note."""
        if self.submitted() is None:
            self._write_json("submitted.json", {"nonce": nonce, "at": at})

    def submitted(self) -> Mapping[str, Any] | None:
        """That note: None without one, empty if it is damaged."""
        try:
            plain = self._read_json("submitted.json")
            if plain is not None:
                require(_SUBMITTED, plain, "submitted.json")
        except Unreadable:
            return {}
        return plain

    def ask_to_stop(self, why: bytes) -> None:
        """Let the session stop, or leave at once if it starts later; keeps an earlier marker."""
        if self.asked_by() is None:
            self.storage.write(self._path("cancel"), why)

    def asked_by(self) -> bytes | None:
        """`ASKED` or `WITHDRAWN`; None if it was not asked to stop."""
        return self.storage.read(self._path("cancel"))

    def starts(self) -> list[Index]:
        """The newest index of each start, the earliest start first."""
        found = []
        for start in self.storage.names(self._path("starts")):
            contents = {name: self.storage.read(self._path(f"starts/{start}/{name}")) for name in indexes.NAMES}
            index = indexes.newest(start, {name: content for name, content in contents.items() if content is not None})
            if index is not None:
                found.append(index)
        return sorted(found, key=lambda index: index.begun_at)

    def counted(self, member: int | None, starts: list[Index]) -> Index | None:
        """The start that counts; None if the job never started.

        That is one with this session's manifest; of several the one with the most steps, then the earliest. Without a
        manifest it is the one with the newest checkpoint.
        """
        if len(starts) < 2:
            return starts[0] if starts else None
        tickets = self.tickets()
        nonce = tickets[(member or 1) - 1].nonce if len(tickets) >= (member or 1) else None
        return max(starts, key=lambda index: self._rank(index, member, nonce))  # of equal ones the first

    def _rank(self, index: Index, member: int | None, nonce: str | None) -> tuple[bool, int]:
        manifest = self._manifest(index, member)
        if manifest is not None and manifest.stamp.get("nonce") == nonce:
            return True, manifest.outcome.steps_done or 0
        return False, index.latest_steps

    def _manifest(self, index: Index, member: int | None) -> Manifest | None:
        content = self.content(index, MANIFEST_NAME if member is None else f"{member_folder(member)}/{MANIFEST_NAME}")
        try:
            return None if content is None else Manifest.from_json(read_json(content, MANIFEST_NAME))
        except ValueError:
            return None  # after the fetch a damaged manifest is reported

    def exit_code(self, index: Index, member: int | None) -> int | None:
        """Exit code of an ended start, or of one session of its pack; None if it has recorded none."""
        if member is not None and (record := self.content(index, PACK_NAME)) is not None:
            code = exit_code_in_bytes(record, member)
            if code is not None:
                return code
        return index.exit_code if index.ended else None

    def content(self, index: Index, path: str) -> bytes | None:
        """Content of a small output; None if it was not stored, or is not there any more."""
        digest = index.digest_of(path)
        return None if digest is None else self.storage.read(self.object_path(index, digest))

    def object_path(self, index: Index, digest: str) -> str:
        """Path of a stored output."""
        return self._path(f"starts/{index.start}/objects/{digest}")

    def log(self, index: Index) -> bytes:
        """The log that a start has stored; empty without one."""
        return b"" if index.log is None else self.storage.read(self.object_path(index, index.log)) or b""

    def note_fetched(self, member: int | None) -> None:
        """Note that a session's outputs were fetched: the folder may be emptied once all of them were."""
        self.storage.write(self._fetched(member), b"")
        if member is not None and all(map(self.was_fetched, range(1, len(self.tickets()) + 1))):
            self.storage.write(self._fetched(None), b"")

    def was_fetched(self, member: int | None) -> bool:
        """Whether the outputs of one session, or of all of them, were fetched."""
        return self.storage.exists(self._fetched(member))

    def is_emptied(self) -> bool:
        """Whether its outputs were deleted, or are being deleted, after their fetch."""
        return self.storage.exists(self._path("emptied"))

    def empty(self) -> None:
        """Delete the outputs and inputs; the small files stay, so that the slug is never used again."""
        self.storage.write(self._path("emptied"), b"")
        for name in ("starts", "input"):
            self.storage.remove(self._path(name))

    def remove(self) -> None:
        """Delete the folder."""
        self.storage.remove(self.slug)

    def _fetched(self, member: int | None) -> str:
        return self._path("fetched" if member is None else f"fetched-{member_folder(member)}")

    def _path(self, name: str) -> str:
        return f"{self.slug}/{name}"

    def _write_json(self, name: str, value: object) -> None:
        self.storage.write(self._path(name), json.dumps(value, ensure_ascii=True).encode())

    def _read_json(self, name: str) -> dict[str, Any] | None:
        content = self.storage.read(self._path(name))
        plain = None if content is None else read_json(content, name)
        return plain if plain is None or isinstance(plain, dict) else {}


def sweep(storage: Storage, kept: int = 3) -> None:
    """Delete the outputs of sessions that were fetched, except the last ones by name, which ends with their number.

    The small files stay: they show that the session existed, so its slug is never used again.
    """
    folders = [SessionFolder(storage=storage, slug=slug) for slug in storage.names()]
    full = [one for one in folders if one.was_fetched(None) and not one.is_emptied()]
    for folder in full[:-kept]:
        folder.empty()


def driver_source() -> str:
    """Code of the driver, which runs on the node."""
    return Path(__file__).with_name("driver.py").read_text(encoding="utf-8")
