"""The files of a checkpoint: zips of one JSON description and raw buffers. Equal values give equal bytes."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.kernel.reading.archive import open_archive
from orchestrator.kernel.reading.json_text import MAX_STATE_DEPTH, Unreadable, read_json, shown

FORMAT = 1
_TREE = "tree.json"
_FILES = "files/"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(path: Path, tree: Mapping[str, Any], buffers: list[bytes], files: Path | None = None) -> None:
    """Write a description, its buffers and, if given, every file below a folder of the user.

    Raises:
        ValueError: The folder holds something that is neither a file nor a folder.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps({"format": FORMAT, **tree}, allow_nan=False)
        archive.writestr(zipfile.ZipInfo(_TREE, _TIME), text)
        for number, content in enumerate(buffers):
            archive.writestr(zipfile.ZipInfo(_member(number), _TIME), content)
        for one in sorted(files.rglob("*")) if files is not None else ():
            if one.is_symlink() or not (one.is_file() or one.is_dir()):
                raise ValueError(f"{one} is a link or a device; a checkpoint takes only files and folders")
            name = _FILES + one.relative_to(files or one).as_posix()
            if one.is_dir():
                archive.writestr(zipfile.ZipInfo(name + "/", _TIME), b"")
            else:
                with one.open("rb") as source, archive.open(_info(name, one), "w") as target:
                    while chunk := source.read(1 << 20):
                        target.write(chunk)


def read_archive(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Description and buffers of a file.

    Raises:
        Unreadable: It is not such a file, or of another format; a `ValueError`.
    """
    with open_archive(path, path.name, path.stat().st_size) as archive:  # it is not compressed
        if _TREE not in archive:
            raise Unreadable(path.name, "it is not a checkpoint of a script")
        tree = read_json(archive.read(_TREE), f"{_TREE} in {path.name}", depth=MAX_STATE_DEPTH, halves=True)
        count = sum(name.endswith(".bin") and not name.startswith(_FILES) for name in archive)
        buffers = [archive.read(_member(number)) for number in range(count)]
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != FORMAT:
        raise Unreadable(path.name, f"it has format {shown(found)}, this code reads {FORMAT}")
    return tree, buffers


def unpack_files(path: Path, folder: Path) -> bool:
    """Write the user's files and folders of a checkpoint into an empty folder.

    Returns:
        Whether the checkpoint holds any.

    Raises:
        ValueError: A name in the archive leads out of the folder.
    """
    found = False
    with open_archive(path, path.name, path.stat().st_size) as archive:
        for name in archive:
            if not name.startswith(_FILES):
                continue
            inside = PurePosixPath(name.removeprefix(_FILES))
            of_windows = os.name == "nt" and ("\\" in name or ":" in name)  # elsewhere these are letters like others
            if inside.is_absolute() or ".." in inside.parts or of_windows or "\0" in name:
                raise Unreadable(path.name, f"it holds the file {name!r}, which leads out of its folder")
            target = folder.joinpath(*inside.parts)
            found = True
            if name.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                for chunk in archive.chunks(name):
                    stream.write(chunk)
    return found


def _member(number: int) -> str:
    return f"{number}.bin"


def _info(name: str, source: Path) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.file_size = source.stat().st_size
    return info
