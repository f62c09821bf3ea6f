"""Copies what a session has stored into the results; every file is compared with its digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from orchestrator.backends.ray.folder import SessionFolder
from orchestrator.backends.ray.index import Index
from orchestrator.core.session.backend_types import Retrieval
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.pack import own_lines_from
from orchestrator.kernel.files.atomic import replace_folder, sync_tree
from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.files.outputs import LOG_NAME, log_lines, remove_tree
from orchestrator.kernel.wire import member_folder

_REASONS = {Lack.DAMAGED: "is damaged in the storage", Lack.UNLISTED: "is not in the storage any more"}


def fetch_outputs(folder: SessionFolder, member: int | None, into: Path, log: bytes) -> Retrieval:
    """Fetch the outputs of the start that counts, and the log, beside the destination, then rename.

    Args:
        log: Of the job, as Ray has it; empty if it has none.

    Raises:
        RemoteUnavailable: The storage does not answer; it still has everything.
        OSError: There is no room for them.
    """
    if folder.is_emptied():  # after an earlier fetch, whose copy is now the only one
        return Retrieval(folder=into, missing=() if into.is_dir() else ("every output",))
    partial = into.with_name(f".fetching-{into.name}")
    if partial.exists():
        remove_tree(partial)
    partial.mkdir(parents=True)
    try:
        index = folder.counted(member, folder.starts())
        files = [] if index is None else list(_fetch_files(folder, index, member, partial))
        stored = b"" if index is None else folder.log(index)
        _write_log(partial, max(stored, log, key=len), member)
        sync_tree(partial)
    except BaseException:
        remove_tree(partial, ignore_errors=True)
        raise
    replace_folder(partial, into)
    folder.note_fetched(member)
    return Retrieval(folder=into, missing=tuple(map(str, files)), files=tuple(files))


def _fetch_files(folder: SessionFolder, index: Index, member: int | None, into: Path) -> Iterator[MissingFile]:
    """Fetch the files of one session; yields those that are missing."""
    own = "" if member is None else f"{member_folder(member)}/"
    for path, why in index.left:
        if path.startswith(own):
            yield MissingFile(path=path.removeprefix(own), lack=Lack.WITHHELD, reason=why)
    for entry in index.files:
        if not entry.path.startswith(own):
            continue
        name = PurePosixPath(entry.path.removeprefix(own))
        if name.as_posix() == LOG_NAME:
            yield MissingFile(path=LOG_NAME, lack=Lack.WITHHELD, reason="has the name of the session's log: not copied")
        elif name.is_absolute() or ".." in name.parts:
            reason = "lies outside of the outputs: not copied"
            yield MissingFile(path=str(name), lack=Lack.UNWRITABLE, reason=reason)
        elif (lack := _fetch_file(folder, index, entry.sha256, into / name)) is not None:
            yield MissingFile(path=str(name), lack=lack, reason=_REASONS[lack])


def _fetch_file(folder: SessionFolder, index: Index, digest: str, target: Path) -> Lack | None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found = folder.storage.get(folder.object_path(index, digest), target)
    if found and sha256_file(target) == digest:
        return None
    target.unlink()
    return Lack.DAMAGED if found else Lack.UNLISTED


def _write_log(into: Path, log: bytes, member: int | None) -> None:
    path = into / LOG_NAME
    path.write_bytes(log)
    if member is not None:
        lines = list(own_lines_from(log_lines(path, 0, ended=True), member))
        path.write_text("".join(f"{line}\n" for line, _ in lines), encoding="utf-8", newline="\n")
