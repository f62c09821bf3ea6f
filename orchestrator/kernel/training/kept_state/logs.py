"""The logs of a training in a checkpoint: what its files held, so that a later session continues them from there."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.training.kept_state.archive import read_archive, write_archive
from orchestrator.kernel.training.kept_state.objects.open_files import (
    content_of,
    is_open_file,
    path_of,
    put_content,
    walk,
)
from orchestrator.kernel.wire import CHECKPOINTS, LOGS_SUFFIX

MOST_BYTES = 32 << 20
"""Logs of one checkpoint, before compression; what is beyond stays in the folder of its session only."""

_MOST_UNPACKED = 8 * MOST_BYTES
_SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Logs up to a checkpoint.

    Attributes:
        files: Key of a file -> its content.
        names: Key of a file -> its name, to find it if the key has changed.
        tree: Further JSON of the writer.
        buffers: Bytes that the tree refers to.
    """

    files: Mapping[str, bytes]
    names: Mapping[str, str] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)
    buffers: list[bytes] = field(default_factory=list)


def write_logs(path: Path, logs: Logs) -> None:
    """Write the file of a checkpoint's logs, compressed."""
    index = [[key, logs.names.get(key, "")] for key in logs.files]
    packed = [_packed(content) for content in (*logs.buffers, *logs.files.values())]
    write_archive(path, {"files": index, "tree": dict(logs.tree)}, packed)


def read_logs(models_dir: Path, card: CheckpointCard) -> Logs | None:
    """The logs of a verified checkpoint; None if it has none, as those of earlier versions.

    Raises:
        ValueError: The file is damaged or of another format.
    """
    name = card.stem + LOGS_SUFFIX
    if all(entry.path != name for entry in card.files):
        return None
    plain, packed = read_archive(models_dir / CHECKPOINTS / name)
    try:
        buffers = list(_unpacked(packed))
        first = len(buffers) - len(plain["files"])
        files = {key: buffers[first + number] for number, (key, _) in enumerate(plain["files"])}
        return Logs(files=files, names=dict(plain["files"]), tree=plain["tree"], buffers=buffers[:first])
    except (zlib.error, KeyError, TypeError, ValueError) as fault:
        raise ValueError(f"{name} cannot be read: {fault}") from fault


class OpenFiles:
    """The files that objects of a training hold open.

    Args:
        roots: Objects by name.
        outside: Objects at which the search stops.
    """

    def __init__(self, roots: Mapping[str, Any], outside: Iterable[Any] = ()) -> None:
        self.objects = dict(walk(roots, outside))
        self._files = {place: one for place, one in self.objects.items() if is_open_file(one)}

    @property
    def paths(self) -> set[Path]:
        """Paths of the files."""
        return {path for one in self._files.values() if (path := path_of(one)) is not None}

    def contents(self) -> tuple[dict[str, bytes], dict[str, str]]:
        """Content and name of each file by its place."""
        found = {place: content for place, one in self._files.items() if (content := content_of(one)) is not None}
        return found, {place: _name(self._files[place]) for place in found}

    def restore(self, files: Mapping[str, bytes], names: Mapping[str, str]) -> None:
        """Put back the content of files with the same place, or else with the same name.

        Raises:
            OSError: A file cannot be written.
        """
        left = {place: one for place, one in self._files.items() if place not in files}
        for key, content in files.items():
            file = self._files.get(key)
            if file is None:
                named = [place for place, one in left.items() if _name(one) == names.get(key)]
                file = left.pop(named[0]) if len(named) == 1 else None
            if file is not None:
                put_content(file, content)


def _packed(content: bytes) -> bytes:
    """Compressed, unless its beginning shows that it is already, as a model's zip."""
    sample = content[:_SAMPLE_BYTES]
    return zlib.compress(content, 1 if len(zlib.compress(sample, 1)) < 0.9 * len(sample) else 0)


def _unpacked(packed: Iterable[bytes]) -> Iterator[bytes]:
    """The contents again; a small file of another program could unpack to more than the memory holds."""
    left_bytes = _MOST_UNPACKED
    for content in packed:
        machine = zlib.decompressobj()
        plain = machine.decompress(content, left_bytes + 1)
        if len(plain) > left_bytes or not machine.eof:
            raise ValueError(f"it is damaged, or unpacks to more than {_MOST_UNPACKED} bytes")
        left_bytes -= len(plain)
        yield plain


def _name(file: Any) -> str:
    path = path_of(file)
    return "" if path is None else path.name
