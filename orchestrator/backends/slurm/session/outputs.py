"""What a session has written, and its copy in the results."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path, PurePath

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.core.session.backend_types import Retrieval
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.pack import own_lines_from
from orchestrator.kernel.files.atomic import replace_folder, sync_tree
from orchestrator.kernel.files.outputs import copy_outputs, remove_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """A session's folder with the outputs of its starts.

    Attributes:
        folder: Shows that session.
        member: Its number in the folder, as `SessionFolder.of` gives it.
        left: Files that could not be had, relative to the folder of the session, each with the reason.
    """

    folder: SessionFolder
    member: int | None
    left: tuple[tuple[PurePath, str], ...] = ()


def copy_counted(outputs: Outputs, into: Path) -> Retrieval:
    """Copy the outputs of the start that counts, and the log, beside the destination, then rename.

    Raises:
        OSError: They cannot be read, or there is no room for them; the session's folder still has everything.
    """
    folder, member = outputs.folder, outputs.member
    if not folder.starts.is_dir():  # emptied after an earlier fetch, whose copy is now the only one
        return Retrieval(folder=into, missing=() if into.is_dir() else ("every output",))
    partial = into.with_name(f".fetching-{into.name}")
    if partial.exists():
        remove_tree(partial)
    partial.mkdir(parents=True)
    try:
        own = None if member is None else functools.partial(own_lines_from, member=member)
        counted = folder.counted(member)
        left = copy_outputs(counted, folder.log, partial, own)
        left += [
            (PurePath(folder.root, path).relative_to(counted), reason)
            for path, reason in outputs.left
            if counted is not None and PurePath(folder.root, path).is_relative_to(counted)
        ]
        files = tuple(MissingFile(path=path.as_posix(), lack=Lack.WITHHELD, reason=reason) for path, reason in left)
        sync_tree(partial)
    except OSError:
        remove_tree(partial, ignore_errors=True)
        raise
    replace_folder(partial, into)
    return Retrieval(folder=into, missing=tuple(map(str, files)), files=files)
