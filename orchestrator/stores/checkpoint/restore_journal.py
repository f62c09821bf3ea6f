"""The journal of a change to the models directory, from which the next start finishes an interrupted change.

Users write to its folder as well, so it is checked strictly: a journal that this program cannot have written is not
followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.kernel.reading.json_text import Unreadable, read_object, shown
from orchestrator.kernel.reading.shapes import COUNT, TEXT, fields, leaf, one_of, require
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint.entries import ENTRIES, entries_from, entries_to_json, is_plain_name
from orchestrator.stores.checkpoint.volumes import ARCHIVE, PARTS, STAGING_PREFIX

VERSION = 2
_PLACES = frozenset({".", *PARTS})
STAGE, RESTORE, FRESH = "stage", "restore", "archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        act: `stage`: files are being copied beside their places, nothing is in place yet. `restore`: all are staged and
            verified, and are being moved into place. `archive`: everything is being moved to the archive.
        folder: Name of its folder in every archive, and of its staging folders after their prefix.
        place: Files to put in place.
        retire: Files of earlier sessions to move to the archive.
    """

    act: str
    folder: str
    place: tuple[FileEntry, ...] = ()
    retire: tuple[FileEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "version": VERSION,
            "act": self.act,
            "folder": self.folder,
            "place": entries_to_json(self.place),
            "retire": entries_to_json(self.retire),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierSwap:
    """A journal of version 1, which replaced the models directory as a whole."""

    staged: str
    archive: str


def read_journal(path: Path, models_name: str) -> Change | EarlierSwap:
    """Read a journal.

    Args:
        models_name: Name of the models directory beside it.

    Raises:
        Unreadable: This program cannot have written it; a `ValueError`.
    """
    if path.is_symlink() or not path.is_file():
        raise Unreadable(path.name, "it is not a file")
    plain = read_object(path)
    if set(plain) == {"target", "staged", "archive"}:
        require(_EARLIER, plain, path.name)
        if plain["target"] != models_name:
            raise Unreadable(path.name, f"is {shown(plain['target'])}, which is not the models directory", "target")
        return EarlierSwap(staged=plain["staged"], archive=_in_archive(plain["archive"]))
    require(_CHANGE, plain, path.name)
    if plain["version"] != VERSION:
        raise Unreadable(path.name, f"is {plain['version']}, this code reads {VERSION}", "version")
    place, retire = (entries_from(plain, path.name, key) for key in ("place", "retire"))
    strange = [entry.path for entry in (*place, *retire) if PurePosixPath(entry.path).parent.as_posix() not in _PLACES]
    if strange:
        raise Unreadable(path.name, f"it names {shown(strange[0])}, where no restore writes")
    return Change(act=plain["act"], folder=plain["folder"], place=place, retire=retire)


def _in_archive(path: str) -> str:
    """Name of a folder of the archive, from its path."""
    return path.replace("\\", "/").removeprefix(f"{ARCHIVE}/")


def _is_archived(value: Any) -> bool:
    return isinstance(value, str) and _in_archive(value) != value and is_plain_name(_in_archive(value))


def _is_staged(value: Any) -> bool:
    return is_plain_name(value) and value.startswith(STAGING_PREFIX) and value != STAGING_PREFIX


_EARLIER = fields(
    {
        "target": TEXT,
        "staged": leaf("a staging folder", _is_staged),
        "archive": leaf("a folder in the archive", _is_archived),
    }
)
_CHANGE = fields(
    {
        "version": COUNT,
        "act": one_of((STAGE, RESTORE, FRESH)),
        "folder": leaf("the name of a folder", is_plain_name),
        "place": ENTRIES,
        "retire": ENTRIES,
    }
)
