"""The archive of a models directory: files that a restore or a fresh start moved aside, and which may be deleted.

A folder of the archive has the layout of the models directory. A restore adds a list of the files of earlier sessions
in it. Only files that this list describes byte for byte are ever deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.digests import first_fault
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint.entries import entries_from, entries_to_json, is_plain_file
from orchestrator.stores.checkpoint.volumes import ARCHIVE, free_name, move, volume_of, volumes

REPLACED = "replaced_files.json"


def free_folder(models: Path, token: str) -> str:
    """A name that no folder of the archive and no staging folder has."""
    number, name = 1, token
    while any(os.path.lexists(one.archives / name) or os.path.lexists(one.staged(name, "")) for one in volumes(models)):
        number += 1
        name = f"{token}-{number}"
    return name


def move_to_archive(models: Path, relative: str, folder: str) -> Path | None:
    """Move a file or folder of the models directory to the archive; returns its new path, None if it did not exist."""
    source = models / relative
    if not os.path.lexists(source):
        return None
    archived = free_name(volume_of(models, relative).archived(folder, relative))
    move(source, archived)
    return archived


def write_replaced(models: Path, folder: str, retired: Iterable[FileEntry]) -> None:
    """Record which files of a folder of the archive are those of earlier sessions."""
    write_json(_list_of(models, folder), {"files": entries_to_json(retired)})


def read_replaced(models: Path, folder: str) -> tuple[FileEntry, ...]:
    """The entries of such a list; empty if there is none or it cannot be read."""
    path = _list_of(models, folder)
    if not is_plain_file(path):
        return ()
    try:
        return entries_from(read_object(path), path.name)
    except ValueError:
        return ()  # then everything in the folder is kept


def discard_replaced(models: Path, token: str) -> None:
    """Delete the files of earlier sessions from the archive folders of a restore; everything else stays."""
    for folder in _folders_of(models, token):
        for entry in read_replaced(models, folder):
            path = volume_of(models, entry.path).archived(folder, entry.path)
            if _agrees(path, entry):
                path.unlink()
        if read_replaced(models, folder):
            _list_of(models, folder).unlink()
        for volume in volumes(models):
            remove_empty(volume.archives / folder)


def archived_files(models: Path) -> Iterator[Path]:
    """Every file of the archive, except the files of earlier sessions that will be deleted."""
    for volume in volumes(models):
        for folder in sorted(_children(volume.archives)):
            ours = {entry.path: entry for entry in read_replaced(models, folder)}
            base = volume.archives / folder
            for path in _files(base):
                entry = ours.get(path.relative_to(base).as_posix())
                if path != _list_of(models, folder) and (entry is None or not _agrees(path, entry)):
                    yield path


def remove_empty(folder: Path) -> None:
    """Remove a folder and the folders in it as far as they are empty."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        remove_empty(path)
    if next(folder.iterdir(), None) is None:
        folder.rmdir()


def _agrees(path: Path, entry: FileEntry) -> bool:
    """Whether an archived file is byte for byte the one described."""
    return is_plain_file(path) and first_fault((replace(entry, path=path.name),), path.parent) is None


def _list_of(models: Path, folder: str) -> Path:
    return models.parent / ARCHIVE / folder / REPLACED


def _folders_of(models: Path, token: str) -> list[str]:
    numbered = (name for name in _children(models.parent / ARCHIVE) if name.startswith(f"{token}-"))
    return [token, *sorted(name for name in numbered if name.removeprefix(f"{token}-").isdigit())]


def _children(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir() or folder.is_symlink():
        yield folder
        return
    for base, folders, names in os.walk(folder):
        links = [name for name in folders if Path(base, name).is_symlink()]
        yield from (Path(base, name) for name in sorted((*names, *links)))
