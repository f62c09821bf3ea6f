"""Atomic and durable writes: a reader finds either the old bytes or the new ones, even after a kill or a power cut."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

MOST_FOLDERS = 100
"""Folders within folders; `os.walk` and `shutil.rmtree` recurse, and hold a file open for each level."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file in the same folder, flush it to the disk, then rename it to `path`.

    Args:
        path: Final path; its folder is created.
        write: Receives the temporary path, which has the same suffix as `path`.

    Raises:
        OSError: The file cannot be written; `path` is unchanged.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".partial-{path.name}")
    remove_odd(temporary)
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_odd(temporary: Path) -> None:
    """Remove what is in the place of a temporary file and is none: a pipe would block, a link leads elsewhere."""
    if temporary.is_symlink() or (os.path.lexists(temporary) and not temporary.is_file()):
        temporary.unlink()


def write_json(path: Path, value: object) -> None:
    """Write a value atomically as indented UTF-8 JSON with LF line ends.

    Raises:
        ValueError: The value holds NaN or an infinity.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A path that is not UTF-8 holds surrogates; escaped as `\udcc3` they are valid JSON and read back unchanged.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write a text atomically as UTF-8, line ends unchanged."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write)


def replace_folder(new: Path, old: Path) -> None:
    """Put a folder in the place of another one; its name is flushed to the disk.

    Of a link only the link is replaced, and its target stays.

    Raises:
        OSError: Something else has that name, or the folder cannot be replaced.
    """
    if old.is_symlink():
        old.unlink()
    elif old.is_dir():
        shutil.rmtree(old)
    elif os.path.lexists(old):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(old))
    os.replace(new, old)
    sync_folder(old.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and the missing ones above it; each name is flushed to the disk."""
    if folder.is_dir():
        return
    if folder.parent != folder:  # a drive that is not there has no parent
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def walk(
    root: Path, refused: Callable[[OSError], object] = lambda fault: None, *, follow: bool = False
) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, from the top, without folders that are nested too deep.

    Args:
        refused: Receives the fault of each folder that is left out.
        follow: Whether to follow links to folders.
    """
    for folder, folders, names in os.walk(root, onerror=refused, followlinks=follow):
        if len(Path(folder).parts) - len(root.parts) >= MOST_FOLDERS:
            for name in folders:
                refused(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(Path(folder, name))))
            folders.clear()
        yield folder, folders, names


def is_regular(path: Path) -> bool:
    """Whether it is a file, or a link to one; False for a path that is too long, where `Path.is_file` raises."""
    try:
        return path.is_file()
    except OSError:
        return False


def sync_tree(folder: Path) -> None:
    """Flush everything below a folder to the disk, as programs left it that did not flush it themselves."""
    for place, _, names in walk(folder):
        for name in names:
            path = Path(place, name)
            if is_regular(path) and not path.is_symlink():
                # Windows flushes only what may be written.
                with suppress(PermissionError) if os.name == "nt" else nullcontext():
                    _sync(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk; does nothing on Windows, which has no folder handles."""
    if os.name != "nt":
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
