"""Deletes the outputs of sessions that were fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.starts import changed
from orchestrator.kernel.files.outputs import remove_tree

KEPT_FOLDERS = 3


def sweep(root: Path) -> None:
    """Delete the outputs of sessions that were fetched, except the last three; each completely or not at all.

    The small files stay: they show that the session existed, so its slug is never used again.

    Args:
        root: Folder of all sessions.
    """
    moments = {folder: moment for folder in _folders(root) if (moment := changed(folder.fetched(None))) is not None}
    for folder in sorted(moments, key=lambda one: moments[one])[:-KEPT_FOLDERS]:
        if folder.starts.exists():
            folder.starts.rename(folder.emptied)
        for rest in (folder.emptied, folder.input):
            remove_tree(rest, ignore_errors=True)
        if not folder.emptied.exists():
            folder.fetched(None).unlink(missing_ok=True)


def _folders(root: Path) -> Iterator[SessionFolder]:
    return (SessionFolder(root=path) for path in root.iterdir()) if root.is_dir() else iter(())
