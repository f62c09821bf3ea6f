"""Finds the disk of each part of a models directory, so that every move is a rename, and checks that it can be used.

Users put large folders on large disks: the models directory, or its `checkpoints` or `best_model`, may be a symbolic
link or a mounted disk. Such a folder is never replaced itself: its files are staged and archived inside it. All other
files are staged and archived beside the models directory.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.atomic import make_folder, sync_folder, write_atomically
from orchestrator.kernel.wire import BEST_MODEL, CHECKPOINTS

PARTS = (CHECKPOINTS, BEST_MODEL.parent.as_posix())
"""Folders of a models directory that this program writes to."""
ARCHIVE = "archive"
INNER_ARCHIVE = ".archive"
STAGING_PREFIX = ".incoming-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A place within which a rename works.

    Attributes:
        root: Folder of the staging folders.
        archives: The archive; each set of files has its own folder in it.
        apart: Whether it is a linked or mounted folder of the models directory.
    """

    root: Path
    archives: Path
    apart: bool

    def staged(self, folder: str, relative: str) -> Path:
        """Where a file of the models directory is staged."""
        return self.root / f"{STAGING_PREFIX}{folder}" / relative

    def archived(self, folder: str, relative: str) -> Path:
        """Where a file of the models directory is archived."""
        return self.archives / folder / relative


def is_apart(models: Path, part: str = "") -> bool:
    """Whether the models directory, or a part of it, is a symbolic link or lies on another disk."""
    folder = models / part
    if folder.is_symlink():
        return True
    outer = models.parent if not part else models
    return folder.is_dir() and outer.is_dir() and folder.stat().st_dev != outer.stat().st_dev


def volume_of(models: Path, relative: str) -> Volume:
    """The volume of a file, by its path relative to the models directory."""
    first = PurePosixPath(relative).parts[:1]
    inner = [part for part in PARTS if first == (part,) and relative != part and is_apart(models, part)]
    for part in (*inner, *([""] if is_apart(models) else [])):
        return Volume(root=models / part, archives=models / part / INNER_ARCHIVE, apart=True)
    return Volume(root=models.parent, archives=models.parent / ARCHIVE, apart=False)


def volumes(models: Path) -> Iterator[Volume]:
    """Every volume of a models directory, that of the folder around it first."""
    yield Volume(root=models.parent, archives=models.parent / ARCHIVE, apart=False)
    for part in ("", *PARTS):
        if is_apart(models, part) and (models / part).is_dir():
            yield Volume(root=models / part, archives=models / part / INNER_ARCHIVE, apart=True)


def free_name(path: Path) -> Path:
    """The path itself, or with the first free number at its end."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def move(source: Path, destination: Path) -> None:
    """Rename a file, a link or a folder, durably; creates the new parent folder.

    If the system refuses to rename (a mount within the folder), a file or a link is copied durably and then removed.

    Raises:
        OSError: It cannot be moved; it is still where it was, and nothing else is left behind.
    """
    make_folder(destination.parent)
    try:
        os.replace(source, destination)
    except OSError as fault:
        kind = source.lstat().st_mode
        if fault.errno != errno.EXDEV or stat.S_ISDIR(kind):
            raise
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
            raise OSError(errno.EXDEV, "a pipe, a socket or a device stays on its disk", str(source)) from fault
        _carry(source, destination)
    else:
        sync_folder(destination.parent)


def _carry(source: Path, destination: Path) -> None:
    """Move a file or a link to another disk."""
    replaces = os.path.lexists(destination)
    if source.is_symlink():
        temporary = destination.with_name(f".partial-{destination.name}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(source.readlink(), target_is_directory=source.is_dir())
        os.replace(temporary, destination)
        sync_folder(destination.parent)
    else:
        known = source.stat()
        write_atomically(destination, lambda temporary: _copy(source, temporary))
        os.utime(destination, ns=(known.st_atime_ns, known.st_mtime_ns))
        destination.chmod(stat.S_IMODE(known.st_mode))
    try:
        source.unlink()
    except OSError:  # it is immutable, or its folder may not be changed
        if not replaces:
            destination.unlink()
        raise


def _copy(source: Path, destination: Path) -> None:
    shutil.copyfile(source, destination)


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def require_usable(models: Path) -> None:
    """Refuse a models directory that a restore could not write to.

    Raises:
        BadInput: A link leads nowhere, or a file lies where a folder must be.
    """
    require_readable(models)
    for volume in volumes(models):
        if os.path.lexists(volume.archives) and not volume.archives.is_dir():
            raise BadInput(
                f"{volume.archives} is not a folder, but the archive needs a folder of that name",
                remedy="Move or rename it, then run the same command again.",
            )


def require_readable(models: Path) -> None:
    """Refuse what would look like an empty directory: a link to a missing disk, or a file.

    Raises:
        BadInput: It is one of these.
    """
    for folder in (models, *(models / part for part in PARTS)):
        if folder.is_symlink() and not folder.exists():
            raise BadInput(
                f"{folder} is a link to {folder.readlink()}, which is not there",
                remedy="Connect the disk or correct the link, then run the same command again.",
            )
    if os.path.lexists(models) and not models.is_dir():
        raise BadInput(
            f"{models} is a file, but the checkpoints need a folder of that name",
            remedy="Move or rename it, then run the same command again.",
        )


_CURE = "Give yourself the right to write there"
_CURES: Mapping[int | None, str] = {
    errno.EPERM: "Make it writable (Linux: chattr -i, macOS: chflags nouchg, Windows: attrib -R)",
    errno.EXDEV: "It lies on another disk: move it away yourself",
    errno.EBUSY: "A disk is mounted there, or a program uses it: move it away yourself",
}


@contextmanager
def writing(models: Path) -> Iterator[None]:
    """Turn a refused write into a message with a remedy; a full disk is reported by the caller.

    Raises:
        BadInput: A file or folder cannot be changed.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno in NO_ROOM:
            raise
        raise BadInput(
            f"{fault.filename or models} cannot be changed: {fault.strerror or fault}",
            remedy=f"{_CURES.get(fault.errno, _CURE)}, then run the same command again; nothing is lost.",
        ) from fault
