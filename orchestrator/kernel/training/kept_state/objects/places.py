"""Paths in attributes: they name a place of this machine and this session, so a resume keeps the new one.

A checkpoint may be edited, or come from somebody else. It must not choose where a session writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import module_of

PLACE = "place"
"""Kind of an encoded absolute path."""

_WRITERS: Mapping[str, frozenset[str]] = {
    "stable_baselines3.common.callbacks.BaseCallback": frozenset(),
    "stable_baselines3.common.callbacks.CheckpointCallback": frozenset({"save_path", "name_prefix"}),
    "stable_baselines3.common.callbacks.EvalCallback": frozenset({"log_path", "best_model_save_path"}),
    "stable_baselines3.common.logger.KVWriter": frozenset(),
    "stable_baselines3.common.vec_env.vec_video_recorder.VecVideoRecorder": frozenset({"video_folder", "name_prefix"}),
    "gymnasium.wrappers.rendering.RecordVideo": frozenset({"video_folder", "name_prefix"}),
}
"""Classes that write files, each with the attributes that only the script may set."""
_SETTINGS = frozenset().union(*_WRITERS.values())


def place_of(value: Any) -> dict[str, Any] | None:
    """The JSON form of an absolute path in a folder that exists, None for other values."""
    if not isinstance(value, str | PurePath) or (isinstance(value, str) and len(value) > 4096):
        return None
    try:
        path = Path(value)
        found = path.is_absolute() and path.parent != path and path.parent.is_dir()
    except (ValueError, OSError):  # a NUL in it, or a folder that may not be read
        return None
    return {"is": PLACE, "text": str(value)} if found else None


def restored_place(node: dict[str, Any], current: Any) -> Any:
    """The path that the new process has; without one, that of the checkpoint."""
    return current if isinstance(current, str | PurePath) else node["text"]


def of_this_session(owner: Any, name: str, now: Any, saved: Any) -> Any:
    """The value of an attribute after a resume: that of the checkpoint, but no path that leads out of this session.

    Args:
        owner: The object.
        name: The attribute.
        now: Its value in this process, None without one.
        saved: Its value in the checkpoint.
    """
    is_text = isinstance(saved, str | PurePath)
    if saved == now if is_text else name not in _SETTINGS:
        return saved
    found = [_WRITERS[one] for one in map(_name_of, type(owner).__mro__) if one in _WRITERS]
    settings = frozenset().union(*found)
    if name in settings:
        return now
    folders = [one for setting in settings if isinstance(one := getattr(owner, setting, None), str | PurePath)]
    if not is_text or not leads_out(str(saved), [Path.cwd(), *map(Path, folders)]):
        return saved
    if isinstance(now, str | PurePath) and (found or place_of(saved) is not None):
        return now
    return None if found else saved


def leads_out(text: str, folders: Iterable[Path]) -> bool:
    """Whether a path leads out of all of these folders, also by a link."""
    if "\0" in text or text.startswith("~"):
        return True
    try:
        path = Path(text).resolve()
        return not any(path.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # a loop of links, or no name of a file at all
        return True


def _name_of(kind: type) -> str:
    return f"{module_of(kind)}.{kind.__qualname__}"


def is_place(node: Any) -> bool:
    """Whether an encoded value is an absolute path."""
    return isinstance(node, dict) and node.get("is") == PLACE


def without_places(node: Any) -> Any:
    """An encoded value without its absolute paths, for comparisons of two trainings."""
    if is_place(node):
        return PLACE
    if isinstance(node, dict):
        return {key: without_places(item) for key, item in node.items()}
    return [without_places(item) for item in node] if isinstance(node, list) else node
