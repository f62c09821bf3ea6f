"""Keeps what does not depend on the policy: tuning and evaluation of the classical and trivial controllers.

They are the same in every session of a training, and in all trainings at the same crossing. A result is used again
only if everything that it depends on has the same digest: crossing, scenarios, parameters, the code that computes it,
the libraries and the kind of processor. It travels with the training; sessions on one computer also share a folder.
"""

from __future__ import annotations

import hashlib
import importlib
import platform
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.files.atomic import make_folder, write_json
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.wire import Ticket, digest_of

BASELINES = "baselines"
"""Name among the results that a training keeps."""

Array = npt.NDArray[Any]
Shape = tuple[str, tuple[int, ...]]
"""Type and shape of an array; both types have eight bytes: `<f8` and `<i8`."""

_SECTION = Path(__file__).parents[1]
_COMPUTING = (_SECTION.parent / "traffic", _SECTION / "controllers", _SECTION / "evaluation")
_VERSION = 1
_MOST_BYTES = 16 << 20
_PROCESSOR: Callable[[], str] = importlib.import_module("llvmlite.binding").get_host_cpu_name  # it has no types


def session_name(ticket: Ticket) -> str:
    """The name of a session beside its results, for people."""
    return f"{ticket.run_id}/s{ticket.session:02d}"


class KeptResults:
    """The results of earlier sessions, and those of this one for later sessions.

    Args:
        kept: What the training keeps; its entry `BASELINES` is read now, and replaced by `keep_for_later`.
        session: This session, for people.
        shared: Folder of results that trainings share, one file for each, named by its key; None without one.

    Attributes:
        session: This session.
        changed: Whether this session has added a result to those of its training.
    """

    def __init__(self, kept: dict[str, Any], session: str, shared: Path | None = None) -> None:
        self._kept = kept
        found = kept.get(BASELINES)
        self._before: dict[str, Any] = found if isinstance(found, dict) else {}
        self._now: dict[str, Any] = {}
        self.session, self._shared = session, shared
        self.changed = False

    def find(self, what: Mapping[str, Any], shapes: Sequence[Shape]) -> tuple[list[Array], str] | None:
        """A kept result, and the session that measured it; None without one, or if it is damaged.

        Args:
            what: Plain JSON of everything that it depends on, without code and libraries.
            shapes: Of its arrays.
        """
        key = _key(what)
        if (found := self._found(key, self._before.get(key), shapes)) is None:
            found = self._found(key, self._of_others(key), shapes)
            self.changed |= found is not None
        return found

    def _found(self, key: str, entry: object, shapes: Sequence[Shape]) -> tuple[list[Array], str] | None:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("data", "from", "sum")):
            return None
        if entry["sum"] != _checksum(key, entry["data"], entry["from"]):
            return None
        arrays = _unpacked(entry["data"], shapes)
        if arrays is None:
            return None
        self._now[key] = {name: entry[name] for name in ("data", "from", "sum")}
        return arrays, entry["from"]

    def _of_others(self, key: str) -> object:
        """The shared entry; None without one, or if it is damaged: then it is measured again, and replaced."""
        if self._shared is None:
            return None
        try:
            return read_object(self._shared / f"{key}.json", _MOST_BYTES)
        except Unreadable:
            return None

    def keep(self, what: Mapping[str, Any], arrays: Sequence[Array]) -> None:
        """Keep and share a result of this session. One that is not finite is left out: it is measured again."""
        if not all(np.isfinite(one).all() for one in arrays):
            return
        key, data = _key(what), _packed(arrays)
        self._now[key] = {"data": data, "from": self.session, "sum": _checksum(key, data, self.session)}
        self.changed = True
        if self._shared is not None:
            with suppress(OSError):  # another process writes it now, or the disk is full: others measure it themselves
                make_folder(self._shared)
                write_json(self._shared / f"{key}.json", self._now[key])

    def keep_for_later(self, *, complete: bool) -> None:
        """Replace what the training keeps by the results that this session has used or measured.

        Args:
            complete: Whether it has asked for all; else those that it has not asked for stay.
        """
        self._kept[BASELINES] = self._now if complete else {**self._before, **self._now}


def _key(what: Mapping[str, Any]) -> str:
    return digest_of({"what": dict(what), "code": _code_digest(), "runtime": _runtime(), "version": _VERSION})


def _checksum(key: str, data: str, session: str) -> str:
    return digest_of([key, data, session])


@cache
def _code_digest() -> str:
    """Digest over names and bytes of the code that computes the results, the model's parameters included."""
    root = _SECTION.parent
    paths = [path for folder in _COMPUTING for ending in ("py", "yaml") for path in folder.rglob(f"*.{ending}")]
    files = sorted(path.relative_to(root).as_posix() for path in paths)
    return digest_of([[name, hashlib.sha256((root / name).read_bytes()).hexdigest()] for name in files])


@cache
def _runtime() -> Mapping[str, Any]:
    """Libraries and processor: another processor may round a sum otherwise."""
    return {
        "libraries": dict(library_versions()),
        "numba": numba.__version__,
        "system": [platform.system(), platform.machine(), _PROCESSOR()],
    }


def _packed(arrays: Sequence[Array]) -> str:
    """Arrays as hexadecimal text; equal bytes of neighbours stand together, which compresses well."""
    whole = b"".join(np.ascontiguousarray(one, dtype=one.dtype.newbyteorder("<")).tobytes() for one in arrays)
    return zlib.compress(np.frombuffer(whole, np.uint8).reshape(-1, 8).T.tobytes(), 9).hex()


def _unpacked(data: str, shapes: Sequence[Shape]) -> list[Array] | None:
    """The arrays, None if the text is damaged or holds others."""
    n_bytes = 8 * sum(int(np.prod(shape)) for _, shape in shapes)
    try:
        reader = zlib.decompressobj()
        columns = reader.decompress(bytes.fromhex(data), n_bytes + 1)
    except (ValueError, zlib.error):
        return None
    if len(columns) != n_bytes or not reader.eof:
        return None
    whole = np.frombuffer(columns, np.uint8).reshape(8, -1).T.tobytes()
    arrays, at = list[Array](), 0
    for kind, shape in shapes:
        count = int(np.prod(shape))
        array = np.frombuffer(whole, kind, count, at).reshape(shape)
        arrays.append(array.astype(np.dtype(kind).newbyteorder("=")))  # a copy that may be written to
        at += 8 * count
    return arrays
