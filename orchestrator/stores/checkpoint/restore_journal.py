"""The journal of a change to the models directory, from which the next start finishes an interrupted change.

Users write to its folder as well, so it is checked strictly: a journal that this program cannot have written is not
followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.kernel.checkpoint.card_shape import read_object
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint.entries import entries_from, entries_to_json, is_plain_name
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
        ValueError: This program cannot have written it.
    """
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is not a file")
    plain = read_object(path)
    if set(plain) == {"target", "staged", "archive"}:
        return _earlier(plain, models_name)
    if set(plain) != {"version", "act", "folder", "place", "retire"} or plain["version"] != VERSION:
        raise ValueError("it is not a journal of a restore")
    if plain["act"] not in (STAGE, RESTORE, FRESH) or not is_plain_name(plain["folder"]):
        raise ValueError(f"it names {str(plain['folder'])[:80]!r}")
    place, retire = entries_from(plain["place"]), entries_from(plain["retire"])
    strange = [entry.path for entry in (*place, *retire) if PurePosixPath(entry.path).parent.as_posix() not in _PLACES]
    if strange:
        raise ValueError(f"it names {strange[0][:80]!r}, where no restore writes")
    return Change(act=plain["act"], folder=plain["folder"], place=place, retire=retire)


def _earlier(plain: dict[str, Any], models_name: str) -> EarlierSwap:
    target, staged, archive = plain["target"], plain["staged"], plain["archive"]
    if target != models_name:
        raise ValueError(f"it names {str(target)[:80]!r}, which is not the models directory")
    if not is_plain_name(staged) or not staged.startswith(STAGING_PREFIX) or staged == STAGING_PREFIX:
        raise ValueError(f"it names {str(staged)[:80]!r}, which is not a staging folder")
    folder = archive.replace("\\", "/").removeprefix(f"{ARCHIVE}/") if isinstance(archive, str) else None
    if folder == archive or not is_plain_name(folder):
        raise ValueError(f"it names {str(archive)[:80]!r}, which is not in the archive")
    return EarlierSwap(staged=staged, archive=str(folder))
