"""Collects what a session wrote to its old place after the user moved the project while it ran.

A process keeps its open files and its locks when their folder is moved, but creates new files by their old paths.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.kernel.files.workspace import ROOT_VARIABLE
from orchestrator.kernel.wire import MANIFEST_NAME


def bring_back(sandbox: Sandbox) -> None:
    """Copy the outputs that an ended session left at the sandbox's old place.

    With a manifest among them the session has written all: they are then removed at the old place.

    Raises:
        OSError: They cannot be copied; they stay where they are.
    """
    old = _old_place(sandbox)
    # The record of the submit moved with the sandbox: a folder with one is the sandbox of another project.
    if old is None or old.submitted.exists() or not old.working.is_dir():
        return
    if not os.access(sandbox.root, os.W_OK):
        return  # a command that only looks, on a read-only disk
    shutil.copytree(old.working, sandbox.working, dirs_exist_ok=True)
    if (old.working / MANIFEST_NAME).exists():
        shutil.rmtree(old.root)
        _remove_empty(old.root.parent)


def _old_place(sandbox: Sandbox) -> Sandbox | None:
    """Where the sandbox was when its session started; None if it was not moved."""
    plan = read_json(sandbox.launch)
    started = Path(str(plan["environment"][ROOT_VARIABLE])).parent if plan else sandbox.root
    return None if started == sandbox.root or not started.is_dir() else Sandbox(root=started)


def _remove_empty(folder: Path) -> None:
    """Remove the folders that the session has made again, as far as nothing else is in them."""
    try:
        while True:
            folder.rmdir()
            folder = folder.parent
    except OSError:
        return
