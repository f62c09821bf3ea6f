"""The files that callbacks write by their path: evaluations, best models, and logs of a user's own callback."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback

from orchestrator.kernel.files.atomic import write_bytes
from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of


def files_of_callbacks(callbacks: Mapping[str, BaseCallback], since_s: float) -> dict[str, Path]:
    """Key -> path of each file that a callback has written.

    Args:
        callbacks: Callbacks by place, nested ones too.
        since_s: Time at which the training began here; older files are of other trainings.
    """
    found: dict[str, Path] = {}
    for place, callback in callbacks.items():
        for key, path in _paths(callback):
            if path.is_file() and path.stat().st_mtime >= since_s and path.absolute() not in found.values():
                found[f"{place}:{key}"] = path.absolute()
    return found


def own_paths(callbacks: Iterable[BaseCallback]) -> set[Path]:
    """Files that users' callbacks name; of this session's choice only before their state is restored."""
    return {path.absolute() for callback in callbacks for _, path in _own_paths(callback)}


def restore_files_of_callbacks(
    callbacks: Mapping[str, BaseCallback], files: Mapping[str, bytes], chosen: Set[Path]
) -> list[str]:
    """Write the files of a checkpoint to where the callbacks of this session look for them.

    Args:
        callbacks: Callbacks by place.
        files: Key -> content.
        chosen: What `own_paths` gave before the restore: a path in the checkpoint could lead anywhere.

    The library's own files are replaced. A file of a user's callback is only written if it is missing, or cut back if
    lines were appended since: any other change may be the user's.

    Returns:
        Files that were left as they are, although the checkpoint holds another content.
    """
    left = []
    for key, content in files.items():
        place, _, name = key.partition(":")
        callback = callbacks.get(place)
        target = None if callback is None else _target(callback, name)
        if callback is None or target is None or (name.endswith("=") and target.absolute() not in chosen):
            continue
        now = target.read_bytes() if target.is_file() else None
        if now is None or isinstance(callback, EvalCallback | CheckpointCallback):
            if now != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(target, content)
        elif now.startswith(content):
            os.truncate(target, len(content))
        else:
            left.append(str(target))
    return left


def _paths(callback: BaseCallback) -> Iterator[tuple[str, Path]]:
    """Name of each file within its callback, and its path."""
    if isinstance(callback, EvalCallback):
        for name in ("evaluations.npz", "best_model.zip"):
            if (path := _target(callback, name)) is not None:
                yield name, path
    if isinstance(callback, CheckpointCallback) and callback.save_path is not None:
        names = f"{callback.name_prefix}_*_steps.*"
        found = (path for path in Path(callback.save_path).glob(names) if path.is_file())
        yield from ((path.name, path) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True))
    for name, value in _own_paths(callback):
        yield f"{name}=", value


def _target(callback: BaseCallback, name: str) -> Path | None:
    if name.endswith("="):
        return dict(_own_paths(callback)).get(name.removesuffix("="))
    folder: Any = None
    if isinstance(callback, CheckpointCallback) and re.fullmatch(r"[^/\\:]+_\d+_steps\.\w+", name):
        folder = callback.save_path if name.startswith(f"{callback.name_prefix}_") else None
    elif isinstance(callback, EvalCallback):
        if name == "evaluations.npz":
            return None if callback.log_path is None else Path(f"{callback.log_path}.npz")
        folder = callback.best_model_save_path if name == "best_model.zip" else None
    return None if folder is None else Path(folder) / name


def _own_paths(callback: BaseCallback) -> Iterable[tuple[str, Path]]:
    """Attributes of a user's callback that name a file, or may do so when it is written."""
    if type(callback).__module__.partition(".")[0] in ("stable_baselines3", "sb3_contrib"):
        return
    inherited = ("log_path", "best_model_save_path", "save_path", "name_prefix")
    known = isinstance(callback, EvalCallback | CheckpointCallback)
    for name, value in attributes_of(callback):
        if isinstance(value, str | Path) and 0 < len(str(value)) < 1024 and not (known and name in inherited):
            path = Path(value)
            if "\0" not in str(value) and path.suffix and not path.is_dir():
                yield name, path
