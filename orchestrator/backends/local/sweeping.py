"""Deletes the files of old sandboxes whose outputs were fetched, to save disk space."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.backends.local.sandbox import Sandbox

_KEPT_SANDBOXES = 3


def sweep(root: Path) -> None:
    """Empty the sandboxes whose outputs were fetched, except the last three; each completely or not at all.

    The small files stay: they show that the session existed, so its slug is never used again.

    Args:
        root: Folder of all sandboxes.
    """
    if not root.is_dir():
        return
    moments_ns = {path: _fetched_ns(Sandbox(root=path)) for path in root.iterdir()}
    fetched = sorted((moment_ns, path) for path, moment_ns in moments_ns.items() if moment_ns is not None)
    for _, path in fetched[:-_KEPT_SANDBOXES]:
        _empty(Sandbox(root=path))


def _fetched_ns(sandbox: Sandbox) -> int | None:
    """When its outputs were fetched, None if never."""
    try:
        return sandbox.fetched.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _empty(sandbox: Sandbox) -> None:
    if sandbox.kaggle.exists():
        try:
            sandbox.kaggle.rename(sandbox.emptied)
        except OSError:  # Windows, where a file in it is still open: it stays whole until the next sweep
            return
    for folder in (sandbox.emptied, sandbox.scratch):
        shutil.rmtree(folder, ignore_errors=True)
    if not sandbox.emptied.exists() and not sandbox.scratch.exists():
        sandbox.fetched.unlink(missing_ok=True)  # another program may have deleted it already
