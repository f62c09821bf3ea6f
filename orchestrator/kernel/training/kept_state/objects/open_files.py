"""The files that objects of a training hold open for writing, such as the `monitor.csv` of a Monitor.

Their content is not part of the state: a resume puts it back into the file that the new process has opened, so that
the file goes on where the checkpoint was saved.
"""

from __future__ import annotations

import io
import os
import stat
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of, is_python_object
from orchestrator.kernel.training.kept_state.objects.structure import is_fresh, outside_reason

_MODULES_WITHOUT = ("torch", "numpy", "gymnasium.spaces", "logging", "_thread")
"""Objects of these modules hold no log of a training, or very many objects."""
_PLAIN = (int, float, str, bytes)


def is_open_file(value: Any) -> bool:
    """Whether a value is a file on disk that is open for writing."""
    if not isinstance(value, io.IOBase) or value.closed:
        return False
    try:
        return value.writable() and stat.S_ISREG(os.fstat(value.fileno()).st_mode)
    except (OSError, ValueError):  # in memory, or behind a terminal
        return False


def is_stream(value: Any) -> bool:
    """Whether a value only passes text or bytes on, to a file or a terminal, so that each process has its own."""
    if isinstance(value, io.StringIO | io.BytesIO) or not isinstance(value, io.IOBase):
        return False
    return not value.closed and value.writable()


def walk(roots: Mapping[str, Any], outside: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """Every Python object and open file that can be reached, once, with its place, e.g. `envs[0].env.file`.

    Of an object whose state is in other processes only the object itself.

    Args:
        roots: Objects by name.
        outside: Objects at which the walk stops.
    """
    seen = {id(one): one for one in outside}
    left = list(reversed(list(roots.items())))
    while left:
        place, value = left.pop()
        if id(value) in seen or not _may_hold_files(value):
            continue
        seen[id(value)] = value
        yield place, value
        if not isinstance(value, io.IOBase) and not outside_reason(type(value)):
            left.extend(reversed(list(_inside(place, value))))


def content_of(file: Any) -> bytes | None:
    """What is in an open file, None if it is no longer at its path."""
    file.flush()
    path = path_of(file)
    try:
        same = path is not None and os.path.samestat(path.stat(), os.fstat(file.fileno()))
        return path.read_bytes() if path is not None and same else None
    except OSError:
        return None


def put_content(file: Any, content: bytes) -> None:
    """Replace what is in an open file; the next write goes to its end.

    Raises:
        OSError: The file cannot be written.
    """
    file.flush()
    file.seek(0)
    file.truncate()
    inner = getattr(file, "buffer", file)  # a text file would translate line ends
    inner.write(content)
    inner.flush()
    file.seek(0, io.SEEK_END)


def path_of(file: Any) -> Path | None:
    """The path of an open file, None if it has none."""
    name = getattr(file, "name", None)
    return Path(name).absolute() if isinstance(name, str) else None


def _may_hold_files(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return bool(value) and not isinstance(value[0], _PLAIN)
    if kind is dict or isinstance(value, types.FunctionType) or is_open_file(value):
        return True
    if isinstance(value, type | types.ModuleType | io.IOBase) or is_fresh(kind):
        return False
    module = kind.__module__
    if any(module == one or module.startswith(one + ".") for one in _MODULES_WITHOUT):
        return False
    return is_python_object(value) and (hasattr(value, "__dict__") or hasattr(kind, "__slots__"))


def _inside(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"{place}[{key!r}]", one) for key, one in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from ((f"{place}[{index}]", one) for index, one in enumerate(value))
    elif isinstance(value, types.FunctionType):
        for index, cell in enumerate(value.__closure__ or ()):
            try:
                yield f"{place} (variable {index})", cell.cell_contents
            except ValueError:  # not set yet
                continue
    else:
        yield from ((f"{place}.{name}", one) for name, one in attributes_of(value))
