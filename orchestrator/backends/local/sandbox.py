"""The sandbox: a folder with the layout of a Kaggle machine, and the names of its files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.kernel.files.outputs import remove_tree
from orchestrator.kernel.files.workspace import ROOT_VARIABLE
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import TABLE, fields, optional, require, text, whole
from orchestrator.kernel.wire import MANIFEST_NAME, member_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One session's folder.

    Attributes:
        root: Holds everything below; its name is the session's slug.
    """

    root: Path

    @property
    def kaggle(self) -> Path:
        """Stands for `/kaggle`."""
        return self.root / "kaggle"

    @property
    def emptied(self) -> Path:
        """The `kaggle` folder while it is deleted, so that its rest is never taken for the outputs."""
        return self.root / "emptied"

    @property
    def working(self) -> Path:
        """Stands for `/kaggle/working`: the session's output."""
        return self.kaggle / "working"

    @property
    def input(self) -> Path:
        """Stands for `/kaggle/input`."""
        return self.kaggle / "input"

    @property
    def scratch(self) -> Path:
        """For temporary files; never part of the output."""
        return self.root / "scratch"

    @property
    def script(self) -> Path:
        """The rendered kernel."""
        return self.root / "kernel.py"

    @property
    def log(self) -> Path:
        """Standard output and error of the kernel, as bytes."""
        return self.root / "kernel.log"

    @property
    def launch(self) -> Path:
        """The supervisor's instructions; written after everything else is staged."""
        return self.root / "launch.json"

    @property
    def ticket(self) -> Path:
        """The session's ticket, so that it is known even if the ledger is lost."""
        return self.root / "ticket.json"

    @property
    def companions(self) -> Path:
        """The tickets of a pack's other sessions; absent for a session alone."""
        return self.root / "companions.json"

    def output(self, member: int | None) -> Path:
        """Output folder of one session of a pack; of a session alone the whole output."""
        return self.working if member is None else self.working / member_folder(member)

    def fetched_member(self, member: int) -> Path:
        """Exists once the outputs of that session of a pack were copied into the results."""
        return self.root / f"fetched-{member_folder(member)}"

    @property
    def submitted(self) -> Path:
        """Written by the supervisor under its lock: the session exists from then on."""
        return self.root / "submitted.json"

    @property
    def ended(self) -> Path:
        """Exit code and reason; the supervisor's last file."""
        return self.root / "exit.json"

    @property
    def fetched(self) -> Path:
        """Exists once the outputs were copied into the results."""
        return self.root / "fetched"

    @property
    def cancel(self) -> Path:
        """Exists once the session was asked to stop."""
        return self.root / "cancel"

    @property
    def reserve(self) -> Path:
        """Reserved disk space, so that the end can be recorded on a full disk."""
        return self.root / "reserve"

    @property
    def supervisor_lock(self) -> Path:
        """Held while the supervisor lives. A lock ends with its process, while a process id may be reused."""
        return self.root / "supervisor.lock"

    @property
    def kernel_lock(self) -> Path:
        """Held while the kernel lives, so that a kernel that outlives its supervisor is still detected."""
        return self.root / "kernel.lock"

    @property
    def kernel_begun(self) -> Path:
        """Created once the kernel holds its lock; the lock's file exists a moment before the lock is held."""
        return self.root / "kernel.begun"


_WORD = text()
_SHAPES = {
    "launch.json": fields({"environment": fields({ROOT_VARIABLE: _WORD}, others=True)}, others=True),
    "submitted.json": fields({"nonce": _WORD, "at": _WORD}),
    "exit.json": fields({"exit_code": whole(-(2**31), 2**32), "reason": optional(_WORD), "at": _WORD}),
}


def read_json(path: Path) -> dict[str, Any] | None:
    """A file of a sandbox: None if it does not exist, empty if it is damaged.

    Raises:
        OSError: It cannot be read at this moment.
    """
    if not os.path.lexists(path):
        return None
    try:
        plain = read_object(path, halves=True)
        require(_SHAPES.get(path.name, TABLE), plain, path.name)
    except Unreadable as fault:
        if not os.path.lexists(path):  # it may be removed at this moment
            return None
        if isinstance(fault.__cause__, OSError):
            raise fault.__cause__ from None
        return {}
    return plain


_KEPT_SANDBOXES = 3
_PLACE = (".orchestrator", "local")


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
    except (FileNotFoundError, NotADirectoryError):
        return None


def _empty(sandbox: Sandbox) -> None:
    if sandbox.kaggle.exists():
        try:
            sandbox.kaggle.rename(sandbox.emptied)
        except OSError:  # Windows, where a file in it is still open: it stays whole until the next sweep
            return
    for folder in (sandbox.emptied, sandbox.scratch):
        remove_tree(folder, ignore_errors=True)
    for left in (sandbox.reserve, *sandbox.root.glob(".partial-*")):  # of a supervisor that was killed
        left.unlink(missing_ok=True)
    if not sandbox.emptied.exists() and not sandbox.scratch.exists():
        sandbox.fetched.unlink(missing_ok=True)  # another program may have deleted it already


def bring_back(sandbox: Sandbox) -> None:
    """Copy the outputs that an ended session left at the sandbox's old place, if the project was moved meanwhile.

    A process keeps its open files and its locks when their folder is moved, but creates new files by their old paths.
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

    def passed_over(folder: str, names: list[str]) -> list[str]:
        """Pipes and sockets, which no copy can hold, and links that are copied already."""
        place, into = Path(folder), sandbox.working / Path(folder).relative_to(old.working)
        links = [name for name in names if (place / name).is_symlink()]
        others = [name for name in names if not ((place / name).is_file() or (place / name).is_dir())]
        return [name for name in names if (os.path.lexists(into / name) if name in links else name in others)]

    shutil.copytree(old.working, sandbox.working, symlinks=True, dirs_exist_ok=True, ignore=passed_over)
    if (old.working / MANIFEST_NAME).exists():
        remove_tree(old.kaggle)
        remove_tree(old.scratch, ignore_errors=True)
        _remove_empty(old.root)


def _old_place(sandbox: Sandbox) -> Sandbox | None:
    """Where the sandbox was when its session started; None if it was not moved."""
    plan = read_json(sandbox.launch)
    if not plan:
        return None
    kaggle = Path(plan["environment"][ROOT_VARIABLE])
    old = Sandbox(root=kaggle.parent)
    # Anything may be in that file: only the folder of this session in another project can be its old place.
    is_a_place = kaggle.is_absolute() and ".." not in kaggle.parts and kaggle == old.kaggle
    is_its_own = old.root.parts[-3:] == (*_PLACE, sandbox.root.name) and old.root != sandbox.root
    return old if is_a_place and is_its_own and not kaggle.is_symlink() and old.root.is_dir() else None


def _remove_empty(folder: Path) -> None:
    """Remove the folders that the session has made again, as far as nothing else is in them."""
    try:
        while True:
            folder.rmdir()
            folder = folder.parent
    except OSError:
        return
