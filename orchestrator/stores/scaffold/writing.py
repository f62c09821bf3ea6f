"""Writes the files of a new project: none over an existing one, and after a failure none at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.storage import storage_trouble


def conflicts(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Names at which something else exists. A file with exactly the wanted bytes is no conflict.

    Args:
        folder: Need not exist.
        files: Path below the folder, with `/` -> content.
    """
    return [
        name for name, content in files.items() if os.path.lexists(folder / name) and not _has(folder / name, content)
    ]


def write_new(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write the files that do not exist yet, in this order; returns their names.

    Raises:
        BadInput: A file of that name appeared meanwhile, or a part of its path is no folder.
        OSError: One cannot be written. What this call wrote is removed again.
    """
    made: list[Path] = []
    written: list[str] = []
    try:
        for name, content in files.items():
            path = folder / name
            _make_folders(path.parent, made)
            if not _has(path, content):
                _create(path, content, made)
                written.append(name)
    except BaseException as fault:
        _remove(made)
        if isinstance(fault, FileExistsError | NotADirectoryError):
            raise BadInput(
                f"{fault.filename2 or fault.filename} exists and is not what `init` would write",
                remedy="Move it away, or choose another folder. Nothing was written.",
            ) from fault
        if isinstance(fault, OSError) and storage_trouble(fault) is None:  # e.g. a name that the disk cannot have
            raise BadInput(
                f"{fault.filename or folder} cannot be written: {fault.strerror or fault}",
                remedy="Choose another folder. Nothing was written.",
            ) from fault
        raise
    return written


def _make_folders(folder: Path, made: list[Path]) -> None:
    there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not there.is_dir():
        raise NotADirectoryError(None, None, str(there))
    missing = [one for one in (folder, *folder.parents) if one.is_relative_to(there) and one != there]
    for one in reversed(missing):
        one.mkdir()
        made.append(one)


def _create(path: Path, content: bytes, made: list[Path]) -> None:
    """Create a file with all its bytes; a kill leaves either the whole file or none of that name."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        partial.write_bytes(content)
        try:
            os.link(partial, path)  # never replaces a file, unlike a rename on POSIX
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            with path.open("xb") as stream:
                made.append(path)
                stream.write(content)
            return
        made.append(path)
    finally:
        partial.unlink(missing_ok=True)


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):  # the first failure is the one to report; a folder may hold another program's file
            path.rmdir() if path.is_dir() else path.unlink()


def _has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
