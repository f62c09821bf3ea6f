"""Descriptions of files (path, size, sha256): of checkpoints as their cards state them, and as lists in JSON."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.files.atomic import make_folder
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.reading.shapes import COUNT, DIGEST, fields, items, leaf, require
from orchestrator.kernel.wire import BEST_MODEL_CARD, CHECKPOINTS, FileEntry


def is_plain_file(path: Path) -> bool:
    """Whether it is a regular file, not a link to one."""
    return path.is_file() and not path.is_symlink()


def checkpoint_entries(models: Path, cards: Iterable[CheckpointCard]) -> Iterator[FileEntry]:
    """Files of verified checkpoints, as their cards describe them, and the cards."""
    for card in cards:
        for described in card.files:
            path = f"{CHECKPOINTS}/{described.path}"
            yield FileEntry(path=path, size_bytes=described.size_bytes, sha256=described.sha256)
        yield file_entry(models / CHECKPOINTS / card.name, models)


def best_model_entries(models: Path, lineage_id: str | None = None) -> Iterator[FileEntry]:
    """Files of the best model and its card, if they agree; nothing otherwise.

    Args:
        lineage_id: The lineage that it must be of, None for any.
    """
    path = models / BEST_MODEL_CARD
    if not is_plain_file(path):
        return
    try:
        card = read_card(path)
    except ValueError:
        return
    if lineage_id in (None, card.lineage_id) and card_fault(card, path.parent) is None:
        folder = BEST_MODEL_CARD.parent.as_posix()
        for entry in card.files:
            yield FileEntry(path=f"{folder}/{entry.path}", size_bytes=entry.size_bytes, sha256=entry.sha256)
        yield file_entry(path, models)


def describes(metadata: Path, cards: Iterable[CheckpointCard]) -> bool:
    """Whether `training_metadata.json` states the digest of one of these checkpoints."""
    try:
        stated = read_object(metadata).get("latest_checkpoint_digest")
    except ValueError:
        return False
    return isinstance(stated, str) and stated in {card.digest for card in cards}


def entries_to_json(entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    """Plain JSON form."""
    return [asdict(entry) for entry in entries]


def entries_from(plain: Mapping[str, Any], source: str, key: str = "files") -> tuple[FileEntry, ...]:
    """Read such a list.

    Args:
        plain: The object that has the list.
        source: Name of its file, for the error.
        key: Key of the list.

    Raises:
        Unreadable: It is missing or no such list, or one of its paths leads out of the folder.
    """
    require(fields({key: ENTRIES}, others=True), plain, source)
    return tuple(FileEntry(**one) for one in plain[key])


def is_inner_path(text: str) -> bool:
    """Whether a text is a relative POSIX path to something below its folder."""
    path = PurePosixPath(text)
    plain = text == path.as_posix() and "\\" not in text and text.isprintable()
    return plain and not path.is_absolute() and ".." not in path.parts and path.parts != () and ":" not in text


def is_plain_name(text: object) -> bool:
    """Whether it is the name of one file or folder."""
    return isinstance(text, str) and is_inner_path(text) and "/" not in text and len(text.encode("utf-8")) < 200


ENTRIES = items(
    fields(
        {
            "path": leaf("a path within the models directory", lambda one: isinstance(one, str) and is_inner_path(one)),
            "size_bytes": COUNT,
            "sha256": DIGEST,
        }
    )
)
"""Shape of such a list in a file."""
_CHUNK_BYTES = 1 << 20


def copied_fault(entry: FileEntry, source: Path, destination: Path) -> str | None:
    """Copy one file; returns why it is not the one described, None if every byte agrees.

    Bytes are hashed while they are copied: reading the copy again would only read the system's cache.
    """
    size_bytes, sha256 = _copy(source, destination)
    if size_bytes != entry.size_bytes:
        return f"{entry.path} has {size_bytes} bytes instead of {entry.size_bytes}"
    return None if sha256 == entry.sha256 else f"{entry.path} does not have its sha256"


def _copy(source: Path, destination: Path) -> tuple[int, str]:
    """Copy a file durably; returns how many bytes it had, and their sha256."""
    make_folder(destination.parent)
    digest, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as reading, destination.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return size_bytes, digest.hexdigest()
