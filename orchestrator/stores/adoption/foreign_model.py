"""Reads a model from elsewhere: a zip of stable-baselines3, or a folder of RL Zoo. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.core.checkpoint.adoption import ForeignModel
from orchestrator.core.checkpoint.pickle_scan import NotReadable, imported_names
from orchestrator.core.errors import BadInput
from orchestrator.kernel.checkpoint.normalization_file import normalization_path, read_normalization
from orchestrator.kernel.reading.archive import Archive, is_archive, open_archive
from orchestrator.kernel.reading.json_text import read_json
from orchestrator.kernel.reading.shapes import TABLE, require
from orchestrator.stores.adoption.rl_zoo import algorithm_in, model_in, statistics_pickle
from orchestrator.stores.checkpoint.sb3_zip import algorithm_of

MOST_BYTES = 2 << 30
"""Largest model file; those of stable-baselines3 for images have about 20 MB."""
MOST_UNPACKED = 2 << 30
_MOST_DATA = 64_000_000
_MOST_MEMBERS = 1000
_DATA, _POLICY = "data", "policy.pth"
_TENSORS = re.compile(
    r"collections\.OrderedDict|torch\.\w+Storage|torch\.storage\.\w+Storage"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
)
"""Globals in a file of tensors. The session's reader, torch's own for weights only, knows no more functions."""
_REMEDY = "Name a .zip that model.save(...) of stable-baselines3 wrote, or a folder of RL Zoo."
_SHOWN_PARTS = 3


def read_foreign_model(path: Path) -> ForeignModel:
    """Read and check a model.

    Args:
        path: The zip, or a folder of RL Zoo such as `logs/ppo/CartPole-v1_1`.

    Raises:
        BadInput: It is no such file; the message names what is wrong.
    """
    notes: list[str] = []
    zip_path = path
    if path.is_dir():
        zip_path, chosen = model_in(path)
        notes.append(chosen)
    content = _read(zip_path)
    described = _described(zip_path, content)
    normalization = _statistics(zip_path, notes)
    return ForeignModel(
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        normalization=normalization,
        file=_printable(zip_path.name),
        origin=_printable(PurePosixPath(*_shown_parts(path, zip_path)).as_posix()),
        algorithm=algorithm_of(described) or algorithm_in(zip_path.parent),
        steps=_whole(described.get("num_timesteps")),
        notes=tuple(notes),
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BadInput(f"{path} is neither a file nor a folder", remedy=_REMEDY)
        if size > MOST_BYTES:
            raise BadInput(f"{path} has {size} bytes; a model has at most {MOST_BYTES}", remedy=_REMEDY)
        return path.read_bytes()
    except FileNotFoundError as fault:
        raise BadInput(f"there is no file {path}", remedy=_REMEDY) from fault
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror or fault}", remedy=_REMEDY) from fault


def _described(path: Path, content: bytes) -> Mapping[str, Any]:
    """The description in the zip, after every member was checked."""
    try:
        with open_archive(content, path.name, MOST_UNPACKED) as archive:
            _check_members(archive)
            described = read_json(archive.read(_DATA, _MOST_DATA), _DATA)
            policy = archive.read(_POLICY)
        require(TABLE, described, _DATA)
        if not ("policy_class" in described or "observation_space" in described):
            raise ValueError(f"{_DATA} does not describe a model")
        _check_tensors(policy)
    except ValueError as fault:
        raise BadInput(f"{path} is not a usable model of stable-baselines3: {fault}", remedy=_REMEDY) from fault
    return dict(described)


def _check_members(archive: Archive) -> None:
    if len(archive.sizes) > _MOST_MEMBERS:
        raise ValueError(f"it has {len(archive.sizes)} members")
    for wanted in (_DATA, _POLICY):
        if wanted not in archive:
            raise ValueError(f"it lacks the member {wanted}: it is another kind of file, or it is cut off")
    for name in archive:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or ":" in name:
            raise ValueError(f"its member {name[:80]!r} leads out of the file")


def _check_tensors(policy: bytes) -> None:
    """Refuse a policy file that names anything but tensors; its code stream is read, never executed."""
    if not is_archive(policy):
        raise ValueError(f"{_POLICY} is not a file of torch 1.6 or later")
    streams = list(_code_streams(policy))
    if not streams:
        raise ValueError(f"{_POLICY} holds no tensors")
    for stream in streams:
        try:
            names = imported_names(stream)
        except NotReadable as fault:
            raise ValueError(f"{_POLICY} cannot be checked: {fault}") from fault
        strange = sorted({name for name in names if not _TENSORS.fullmatch(name)})
        if strange:
            raise ValueError(f"loading {_POLICY} would execute {', '.join(strange)[:200]}; only tensors are accepted")


def _code_streams(policy: bytes) -> Iterator[bytes]:
    with open_archive(policy, _POLICY, MOST_UNPACKED) as inner:
        for name in inner:
            if name.endswith(".pkl"):
                yield inner.read(name, _MOST_DATA)


def _statistics(zip_path: Path, notes: list[str]) -> bytes | None:
    """The statistics file beside the zip, which sessions use; a pickled file of statistics is only named."""
    beside = normalization_path(zip_path)
    if beside.is_file():
        try:
            read_normalization(zip_path)
            content = beside.read_bytes()
        except (OSError, ValueError) as fault:
            raise BadInput(
                f"{beside} cannot be used: {fault}", remedy="Remove it, or copy it again together with the zip."
            ) from fault
        notes.append(f"Normalization: the statistics in {beside.name} go on")
        return content
    pickled = statistics_pickle(zip_path.parent)
    if pickled is not None:
        notes.append(
            f"Normalization: {pickled.as_posix()} is a pickled file and is not loaded. The statistics start over, so a "
            "model that learned from normalized observations acts badly at first (docs/RESUME.md)"
        )
    return None


def _shown_parts(given: Path, zip_path: Path) -> tuple[str, ...]:
    """The last parts of the path as the user gave it; of an absolute one only the named file or folder.

    The card travels to the backend, so it must not hold the name of the user's home folder.
    """
    if given.is_absolute():
        return zip_path.parts[len(given.parts) - 1 :]
    return tuple(part for part in zip_path.parts if part not in ("..", "."))[-_SHOWN_PARTS:]


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("ascii", "backslashreplace").decode("ascii")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
