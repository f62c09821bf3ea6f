"""Finds the project's folder, from which every other path is built.

Outside of any project, a clone is its own project; an installed wheel runs the sections that it ships, with all state
in the current folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.diagnostics.storage import storage_fault
from orchestrator.core.errors import BadInput, StorageFault
from orchestrator.kernel.files.atomic import make_folder, remove_odd
from orchestrator.kernel.files.storage import free_text, storage_trouble
from orchestrator.kernel.wire import models_path

ROOT_VARIABLE = "ORCHESTRATOR_ROOT"
_MARK = Path("configs") / "sections"
_INSTALLED = Path(__file__).resolve().parents[2]
"""A clone, or the site-packages folder of a wheel."""
_SHIPPED = Path(__file__).resolve().with_name("shipped")
"""In a wheel: the files of `configs`."""
_SHIPPED_PACKAGES = ("validation_ch7",)
_PROBE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Folders of the project.

    Attributes:
        code: Holds `configs` and the code of the sections.
        state: Holds `validation_output`, the models directories below `validation_ch7`, and `.orchestrator`.
            The same folder, except for `verify`, which must not touch the user's state, and for shipped sections.
        shipped: Whether these are the sections of an installed wheel; `code` is its site-packages folder then.
    """

    code: Path
    state: Path
    shipped: bool = False

    @property
    def configs(self) -> Path:
        """Folder of cards and campaigns."""
        return _SHIPPED if self.shipped else self.code / _MARK.parent

    @property
    def cards(self) -> Path:
        """Section cards."""
        return self.configs / _MARK.name

    @property
    def campaigns(self) -> Path:
        """Campaigns."""
        return self.configs / "campaigns"

    @property
    def packages(self) -> tuple[str, ...] | None:
        """Top-level packages in `code` that belong to the project; None for all of them."""
        return _SHIPPED_PACKAGES if self.shipped else None

    @property
    def results(self) -> Path:
        """Fetched outputs."""
        return self.state / "validation_output" / "results"

    @property
    def campaign_reports(self) -> Path:
        """Tables and figures of campaigns."""
        return self.state / "validation_output" / "campaigns"

    @property
    def section_reports(self) -> Path:
        """Reports on sections."""
        return self.state / "validation_output" / "reports"

    @property
    def own(self) -> Path:
        """The orchestrator's own folder: ledger and local sandboxes."""
        return self.state / ".orchestrator"

    def models(self, section_dir: str, trial: str | None = None) -> Path:
        """The models directory that training reads."""
        return models_path(self.state / "validation_ch7", section_dir, trial)

    def trials(self, section_dir: str) -> tuple[str, ...]:
        """First eight characters of the lineages that have a models directory beside the default run's."""
        section = self.models(section_dir).parents[1]
        return tuple(sorted(path.name for path in (section / "trials").glob("*") if path.is_dir()))


def find_project(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> Project:
    """The project of the variable `ORCHESTRATOR_ROOT`, of the current folder or its parents, or of this installation.

    Raises:
        BadInput: The variable names a folder that is not a project, there is no project, its state would be
            written into an installed wheel, or the current folder was deleted.
    """
    named = environ.get(ROOT_VARIABLE)
    if named:
        root = _resolved(Path(named))
        if not _is_project(root):
            raise BadInput(
                f"{ROOT_VARIABLE} names {root}, which has no {_MARK.as_posix()} folder",
                remedy=f"Set {ROOT_VARIABLE} to the project's folder, or unset it.",
            )
        return Project(code=root, state=root)
    here = _resolved(start or current_folder())
    own = _own_root(here) or (_INSTALLED if (_INSTALLED / _MARK).is_dir() else None)
    if own is not None:
        return Project(code=own, state=own)
    if not (_SHIPPED / _MARK.name).is_dir():
        raise BadInput(
            "no project here",
            remedy=f"Go to the project's folder, set {ROOT_VARIABLE}, or write a new project: `orchestrator init DIR`.",
        )
    if here.is_relative_to(_INSTALLED):
        raise BadInput(
            f"no project here, and {here} belongs to the installed packages",
            remedy="Go to a folder of your own, or write a new project: `orchestrator init DIR`.",
        )
    return Project(code=_INSTALLED, state=here, shipped=True)


def current_folder() -> Path:
    """The current folder.

    Raises:
        BadInput: It was deleted, or may not be entered.
    """
    try:
        return Path.cwd()
    except OSError as fault:
        raise BadInput(
            f"the current folder cannot be used: {fault.strerror or fault}",
            remedy="It was probably deleted: go to the project's folder, then run the same command again.",
        ) from fault


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as fault:  # before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from fault


def _is_project(folder: Path) -> bool:
    try:
        return (folder / _MARK).is_dir()
    except OSError as fault:
        if fault.errno == errno.ENAMETOOLONG:
            return False
        raise


def reserved_names() -> frozenset[str]:
    """Names that no new section gets: those of the shipped sections, and of this program."""
    folders = (_SHIPPED / _MARK.name, _INSTALLED / _MARK)
    return frozenset({"orchestrator", *(card.stem for folder in folders for card in folder.glob("*.yaml"))})


def are_shipped(cards: Path) -> bool:
    """Whether a folder of cards is the one in an installed wheel."""
    return cards == _SHIPPED / _MARK.name


def _own_root(here: Path) -> Path | None:
    """The nearest folder with `configs/sections`, from here upwards."""
    return next((folder for folder in (here, *here.parents) if (folder / _MARK).is_dir()), None)


def origin_of_project(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> str:
    """How `find_project` found the project, for people."""
    if environ.get(ROOT_VARIABLE):
        return f"the variable {ROOT_VARIABLE}"
    if _own_root(_resolved(start or current_folder())) is not None:
        return "the current folder"
    if find_project(environ, start).shipped:
        return "no project here: the sections of this installation, with state in the current folder"
    return "the place of this program's code"


def require_writable(folder: Path) -> None:
    """Create a folder and check that files can be written there.

    Raises:
        StorageFault: They cannot: full disk, no permission, or a read-only disk.
        BadInput: Something else is at the folder's path.
    """
    probe = folder / ".write-probe"
    try:
        make_folder(folder)
        remove_odd(probe)
        try:
            with probe.open("wb") as stream:
                stream.write(bytes(_PROBE_BYTES))  # an empty file fits on a full disk
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as fault:
        if (trouble := storage_trouble(fault)) is not None:
            raise storage_fault(trouble, str(folder), free_text(folder)) from fault
        raise BadInput(
            f"{folder} cannot be written: {fault.strerror or fault}",
            remedy="Move away what has that name, then run the same command again.",
        ) from fault


def require_unmoved(folder: Path) -> Callable[[], None]:
    """A check that a folder of the project is still the one that it is now.

    A session that goes on may make its old folder again, so the path alone does not decide. Numbers of inodes do not
    either: file systems in user space, network disks and a remount give a folder new ones. It raises StorageFault.
    """
    before, handle = _identity(folder), -1

    def check() -> None:
        if before is not None and _identity(folder) != before and not _is_here(folder, handle):
            raise StorageFault(
                f"the project was moved or deleted while this command ran: {folder.parent}",
                remedy="Go to its present folder and run the same command again: it finds the session there, and "
                "nothing is lost.",
            )

    if before is not None and os.open in os.supports_dir_fd and os.access(folder, os.R_OK):
        handle = os.open(folder, os.O_RDONLY)  # held open, so that no other folder gets its number
        weakref.finalize(check, os.close, handle)
    return check


def _is_here(folder: Path, handle: int) -> bool:
    """Whether a new file in the folder behind a handle appears at the folder's path."""
    name = f".here-{secrets.token_hex(8)}"
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle))
    except FileNotFoundError:  # it was deleted
        return False
    except (OSError, NotImplementedError):
        # The disk was mounted again, or this is Windows, which moves no folder in which a file is open.
        return (folder / "ledger.sqlite").is_file()
    try:
        return (folder / name).exists()
    finally:
        os.unlink(name, dir_fd=handle)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
