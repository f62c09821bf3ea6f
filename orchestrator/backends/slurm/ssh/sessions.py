"""The folder of a session to the login node, and its outputs from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.ssh import errors, scripts
from orchestrator.backends.slurm.ssh.connection import Connection, Reply
from orchestrator.backends.slurm.ssh.mirror import Mirror
from orchestrator.backends.slurm.ssh.sftp import FarFile, can_travel, get_files, put_files
from orchestrator.core.errors import NameTaken
from orchestrator.kernel.files.atomic import MOST_FOLDERS
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.files.outputs import FORBIDDEN, TOO_LONG, remove_tree

_LEFT = {
    "l": "is a link to a folder outside of the outputs: not copied",
    "o": "is a broken link or no regular file: not copied",
    "x": FORBIDDEN,
}
_LINE_BREAK = "has a line break in its name: not copied over SSH"
_NOT_HAD = "could not be fetched over SSH"


def bring(
    connection: Connection, mirror: Mirror, folder: SessionFolder, there: PurePosixPath, outputs: str, listing: bytes
) -> list[tuple[PurePath, str]]:
    """Make the copy of a session's outputs equal to what a listing shows.

    Args:
        there: Folder of the session on the login node.
        outputs: Pattern of the output folders below that of the starts.
        listing: By `scripts.listing`.

    Returns:
        What could not be had, relative to the folder of the session, each with the reason.

    Raises:
        RemoteUnavailable: The connection broke; a repeated call continues.
        ConnectionError: The listing makes no sense.
        OSError: There is no room here.
    """
    left: list[tuple[PurePath, str]] = []
    files: list[FarFile] = []
    known: set[str] = set()
    rows = list(_rows(listing))
    for kind, size, changed, path in rows:
        known.add(path)
        if kind == "f" and not (why := _reason(path)):
            into = folder.starts / path
            files.append(FarFile(path=there / "starts" / path, size_bytes=int(size), changed=changed, into=into))
        elif kind != "d":
            left.append((PurePath("starts", path), why if kind == "f" else _LEFT[kind]))
    mirror.keep_only(folder.root.name, outputs, known)
    for kind, _, _, path in rows:
        if kind == "d" and not _reason(path):
            (folder.starts / path).mkdir(parents=True, exist_ok=True)
    missing = get_files(connection, files, mirror.parts)
    left += [(PurePath(one.into.relative_to(folder.root)), _NOT_HAD) for one in missing]
    return left


def _rows(listing: bytes) -> Iterator[tuple[str, str, str, str]]:
    """Kind, size, time of change and path of each entry.

    Raises:
        ConnectionError: It is cut off, or leads out of the folder.
    """
    *fields, rest = listing.decode("utf-8", "surrogateescape").split("\0")
    if rest or len(fields) % 4:
        raise ConnectionError("a listing is cut off")
    for kind, size, changed, path in zip(*(fields[first::4] for first in range(4)), strict=True):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or kind not in ("d", "f", *_LEFT):
            raise ConnectionError(f"a listing holds {path!r}")
        yield kind, size, changed, path


def _reason(path: str) -> str:
    """Why a file cannot be brought; empty if it can."""
    if not can_travel(path):
        return _LINE_BREAK
    return TOO_LONG if len(PurePosixPath(path).parts) > MOST_FOLDERS else ""


def send(
    connection: Connection,
    run: Callable[[str], Reply],
    root: PurePosixPath,
    draft: Path,
    fill: Callable[[SessionFolder], None],
) -> None:
    """Fill a folder here, send it, check every digest there, then give it its name.

    Args:
        run: Runs a script that must succeed.
        root: Folder of all sessions on the login node.
        draft: Folder to fill, named as the session; it is deleted again.

    Raises:
        RemoteUnavailable: The connection broke, or what arrived is not what was sent; a repeated call continues.
        StorageFault: A disk is full there.
        NameTaken: The session was submitted meanwhile.
    """
    try:
        remove_tree(draft, ignore_errors=True)
        folder = SessionFolder(root=draft)
        fill(folder)
        new = f".new-{draft.name}-{folder.read_nonce()}"
        paths = sorted(draft.rglob("*"))
        folders = [path.relative_to(draft).as_posix() for path in paths if path.is_dir()]
        entries = [file_entry(path, draft) for path in paths if path.is_file()]
        files = {one.path: (one.size_bytes, one.sha256) for one in entries}
        reply = run(scripts.prepare(root, new, folders, files))
        there = _sizes(reply.out)
        trouble = put_files(connection, draft, root / new, {name: there.get(name, 0) for name in files})
        if trouble:
            run(scripts.why_full(root, new))
        code = run(scripts.publish(root, new, draft.name, files)).code
    finally:
        remove_tree(draft, ignore_errors=True)
    if code == scripts.TAKEN:
        raise NameTaken(f"{root / draft.name} already belongs to another session")
    if code == scripts.DAMAGED:
        raise errors.of_files(connection.host, trouble or "what arrived is not what was sent")


def _sizes(out: bytes) -> dict[str, int]:
    rows = (line.partition(" ") for line in out.decode("utf-8", "surrogateescape").splitlines())
    return {path: int(size) for size, _, path in rows}
