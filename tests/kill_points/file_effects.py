"""The functions that change files, with each effect noted by an observer."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kill_points.observer import Observer


def replacements(observer: Observer) -> Mapping[str, Callable[..., Any]]:
    """Name in `os` -> the function that also notes its effect."""
    return {
        "mkdir": _named(observer, "mkdir", os.mkdir, new=True),
        "rmdir": _named(observer, "rmdir", os.rmdir),
        "unlink": _named(observer, "unlink", os.unlink),
        "remove": _named(observer, "unlink", os.remove),
        "truncate": _named(observer, "truncate", os.truncate, removes=False),
        "rename": _renamed(observer, os.rename),
        "replace": _renamed(observer, os.replace),
        "symlink": _linked(observer, os.symlink),
        "open": _opened(observer, os.open),
        "fsync": _flushed(observer, os.fsync),
        "fdatasync": _flushed(observer, os.fdatasync),
        "write": _written(observer, os.write),
        "sendfile": _sent(observer, os.sendfile),
    }


def _named(observer: Observer, kind: str, real: Any, *, new: bool = False, removes: bool = True) -> Any:
    def act(path: Any, *args: Any, dir_fd: int | None = None, **named: Any) -> Any:
        whole = observer.inside(path, dir_fd)
        words = named if dir_fd is None else {"dir_fd": dir_fd, **named}
        if whole is None or observer.is_paused or not (_can_be_made(whole) if new else os.path.lexists(whole)):
            return real(path, *args, **words)
        with observer.effect(kind, whole):
            if observer.disk and removes and not new:
                observer.disk.gone(whole)
            return real(path, *args, **words)

    return act


def _can_be_made(folder: str) -> bool:
    """Whether `mkdir` would have an effect: `pathlib` also tries it before it makes the parent."""
    return not os.path.lexists(folder) and os.path.isdir(os.path.dirname(folder))


def _renamed(observer: Observer, real: Any) -> Any:
    def act(source: Any, destination: Any, **named: Any) -> Any:
        old = observer.inside(source, named.get("src_dir_fd"))
        new = observer.inside(destination, named.get("dst_dir_fd"))
        if new is None or observer.is_paused or old is None or not os.path.lexists(old):
            return real(source, destination, **named)
        with observer.effect("rename", new):
            if observer.disk and os.path.lexists(new):
                observer.disk.gone(new)
            return real(source, destination, **named)

    return act


def _linked(observer: Observer, real: Any) -> Any:
    def act(target: Any, path: Any, *args: Any, **named: Any) -> Any:
        whole = observer.inside(path, named.get("dir_fd"))
        if whole is None or observer.is_paused:
            return real(target, path, *args, **named)
        with observer.effect("symlink", whole):
            return real(target, path, *args, **named)

    return act


def _changes(path: str, flags: int) -> bool:
    """Whether opening changes the disk: creates a file, or removes the content of one."""
    try:
        size_bytes = os.stat(path).st_size
    except OSError:
        return bool(flags & os.O_CREAT)
    return bool(flags & os.O_TRUNC) and size_bytes > 0


def _opened(observer: Observer, real: Any) -> Any:
    def act(path: Any, flags: int, *args: Any, **named: Any) -> int:
        whole = observer.inside(path, named.get("dir_fd"))
        if whole is None or observer.is_paused or not _changes(whole, flags):
            return int(real(path, flags, *args, **named))
        with observer.effect("open", whole):
            return int(real(path, flags, *args, **named))

    return act


def _flushed(observer: Observer, real: Any) -> Any:
    def act(file: Any) -> None:
        whole = observer.inside(file if isinstance(file, int) else file.fileno())
        if whole is None or observer.is_paused:
            return real(file)
        with observer.effect("fsync", whole):
            real(file)
            if observer.disk:
                with observer.paused():
                    observer.disk.flushed(whole)
        return None

    return act


def _in_halves(observer: Observer, whole: str, data: bytes, write: Callable[[bytes], Any]) -> int:
    """Write, with the moment at which half is written."""
    with observer.effect("write", whole):
        if half := len(data) // 2:
            write(data[:half])
            observer.middle()
        write(data[half:])
    return len(data)


def _written(observer: Observer, real: Any) -> Any:
    def act(descriptor: int, data: Any) -> int:
        try:
            whole = None if observer.is_paused else observer.inside(descriptor)
        except OSError:
            whole = None
        if whole is None:
            return int(real(descriptor, data))
        return _in_halves(observer, whole, bytes(data), lambda part: real(descriptor, part))

    return act


def _sent(observer: Observer, real: Any) -> Any:
    """`os.sendfile`, with which `shutil` copies."""

    def act(out_fd: int, in_fd: int, offset: int, count: int) -> int:
        whole = None if observer.is_paused else observer.inside(out_fd)
        length = max(0, min(count, os.fstat(in_fd).st_size - offset))
        if whole is None or not length:
            return int(real(out_fd, in_fd, offset, count))
        with observer.effect("write", whole):
            half = length // 2
            sent = int(real(out_fd, in_fd, offset, half)) if half else 0
            if half:
                observer.middle()
            return sent + int(real(out_fd, in_fd, offset + sent, count - sent))

    return act


class _RawFile(io.FileIO):
    """A file of which every write that reaches the system is noted."""

    observer: Observer
    whole: str

    def write(self, data: Any) -> int:
        if self.observer.is_paused:
            return super().write(data)
        return _in_halves(self.observer, self.whole, bytes(data), super().write)


def opener(observer: Observer) -> Callable[..., Any]:
    """`open` that notes what it changes, and later each write."""
    real = io.open

    def act(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        writes = any(letter in mode for letter in "wax+")
        whole = None if isinstance(file, int) or observer.is_paused or not writes else observer.inside(file)
        if whole is None or opener is not None:
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _raw(observer, file, whole, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        size_bytes = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw, size_bytes)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode  # type: ignore[misc]  # replaced for this test
        return text

    return act


def _raw(observer: Observer, file: Any, whole: str, mode: str) -> _RawFile:
    flags = {"w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT, "x": os.O_CREAT}.get(mode[0], 0)
    if not _changes(whole, flags):
        raw = _RawFile(file, mode)
    else:
        with observer.effect("open", whole):
            raw = _RawFile(file, mode)
    raw.observer, raw.whole = observer, whole
    return raw
