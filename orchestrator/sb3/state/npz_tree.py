"""The side file `{stem}.state.npz`: a tree of plain values and arrays, written without pickle.

It is an ordinary zip: arrays are `.npy` members, which `numpy.load(path, allow_pickle=False)` reads, and `state.json`
holds the tree, with a reference in place of each array. The same tree always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import struct
import tokenize
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from orchestrator.kernel.reading.archive import Archive, open_archive
from orchestrator.kernel.reading.json_text import MAX_STATE_DEPTH, Unreadable, read_json, shown
from orchestrator.kernel.training.kept_state.objects.places import without_places

STATE_FORMAT = "validation_ch7.state"
STATE_VERSION = 1
TREE_MEMBER = "state.json"

# The earliest time of the zip format; fixed, so that equal states give equal bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_ARRAY, _FLOAT, _DICT = "$array", "$float64", "$dict"
_NAME_LIMIT_CHARS = 80


def write_state(path: Path | IO[bytes], tree: Mapping[str, Any]) -> None:
    """Write a tree of dict, list, str, int, float, bool, None and arrays.

    Members are stored without compression: a full replay buffer of 14 MB took 0.34 s to compress to 9 MB and 0.014 s
    to store, and states are written far more often than they are transferred.

    Args:
        path: File or stream; a file is replaced. The caller makes the write atomic.
        tree: The state. Numpy scalars become equal Python values; tuples are refused, since JSON would return lists.

    Raises:
        TypeError: A leaf or a key has another type; the message gives its place in the tree.
        OSError: The file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    plain = {"format": STATE_FORMAT, "version": STATE_VERSION, "tree": _encode(tree, "state", arrays)}
    # On one line: with `indent` the standard library uses a much slower encoder.
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True, allow_nan=False)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr(_member(TREE_MEMBER), text.encode("utf-8"))
        for name in sorted(arrays):
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=True) as stream:
                _write_array(stream, arrays[name])


def _write_array(stream: IO[bytes], array: np.ndarray) -> None:
    """Like numpy's writer, but directly from the memory of a contiguous array, which avoids two copies."""
    if not array.flags.c_contiguous or array.dtype.isbuiltin != 1:
        for version in _HEADERS:  # the earliest one that can hold the dtype; numpy alone would warn about the last
            with suppress(ValueError):  # too long, or a name that is not in Latin-1; nothing is written then
                np.lib.format.write_array(stream, array, version, allow_pickle=False)
                return
        raise ValueError(f"an array of the type {array.dtype} cannot be written")
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.reshape(-1).view(np.uint8).data)


def same_state(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two trees give the same file, bit for bit, apart from absolute paths."""
    streams = io.BytesIO(), io.BytesIO()
    for stream, tree in zip(streams, (one, other), strict=True):
        write_state(stream, without_places(tree))
    return streams[0].getvalue() == streams[1].getvalue()


def read_state(source: Path | IO[bytes]) -> dict[str, Any]:
    """Read the file of `write_state`. Nothing is ever unpickled.

    Args:
        source: The file, or a stream of its bytes.

    Raises:
        ValueError: The file is damaged, of another format or version, or its tree and arrays do not match.
        OSError: The file cannot be read.
    """
    name = source.name if isinstance(source, Path) else "the state"
    size_bytes = source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)
    try:
        with open_archive(source, name, size_bytes) as archive:  # it is not compressed
            plain = read_json(archive.read(TREE_MEMBER), f"{TREE_MEMBER} in {name}", depth=MAX_STATE_DEPTH, halves=True)
            if not isinstance(plain, dict) or plain.get("format") != STATE_FORMAT:
                raise ValueError("it is not a state file")
            if plain.get("version") != STATE_VERSION:
                raise ValueError(f"state version {shown(plain.get('version'))}, this code reads {STATE_VERSION}")
            return _tree_of(plain.get("tree"), _read_arrays(archive))
    except Unreadable:
        raise
    except (ValueError, TypeError, RecursionError) as fault:
        raise Unreadable(name, str(fault)) from fault


def _tree_of(node: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    unused = set(arrays)
    tree = _decode(node, arrays, unused)
    if unused:
        raise ValueError(f"its tree does not name these arrays: {', '.join(sorted(unused))}")
    if not isinstance(tree, dict):
        raise ValueError(f"it holds a {type(tree).__name__} instead of a tree")
    return tree


def _read_arrays(archive: Archive) -> dict[str, np.ndarray]:
    names = (name for name in archive if name.endswith(".npy"))
    return {name.removesuffix(".npy"): _array(archive, name) for name in names}


def _array(archive: Archive, name: str) -> np.ndarray:
    """The array of a `.npy` member. Its shape must fit its bytes: numpy would reserve memory for whatever it states.

    Raises:
        ValueError: It is damaged, holds objects, or states another shape.
    """
    with archive.stream(name) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            shape, _, dtype = _HEADERS[version](stream)
        except _ODD_HEADER as fault:
            raise ValueError(f"{name} has no readable header: {fault}") from fault
        if dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, which need allow_pickle")
        stated, found = math.prod(shape) * dtype.itemsize, archive.sizes[name] - stream.tell()
        if min(shape, default=0) < 0 or stated != found:
            raise ValueError(f"{name} states {stated} bytes of numbers and holds {found}")
        stream.seek(0)
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array


_ODD_HEADER = (
    *(ValueError, LookupError, TypeError, ArithmeticError, RecursionError, MemoryError, SyntaxError),
    tokenize.TokenError,
)
"""What numpy raises for the text of a header, which it reads as a Python literal."""


_Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def _read_header_3_0(stream: IO[bytes]) -> _Header:
    """Shape, order and dtype. As format 2.0, but in UTF-8: names of fields may be in any script.

    Source: NumPy Enhancement Proposal 1. numpy has no public function for it; with escapes it is one of format 2.0.
    """
    length = int.from_bytes(stream.read(4), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"the header has {length} bytes, at most {_LONGEST_HEADER} are read")
    plain = stream.read(length).decode("utf-8").encode("ascii", "backslashreplace")
    return np.lib.format.read_array_header_2_0(io.BytesIO(len(plain).to_bytes(4, "little") + plain))


_LONGEST_HEADER = 10_000
"""numpy's own limit: a longer one could exhaust the memory of Python's parser."""
_HEADERS: Mapping[tuple[int, int], Callable[[IO[bytes]], _Header]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): _read_header_3_0,
}


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_FIXED_TIME)
    info.compress_type = zipfile.ZIP_STORED
    info.create_system = 3  # the default differs between systems
    info.external_attr = 0o644 << 16
    return info


def _encode(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """Turn one node into plain JSON; collect arrays in `arrays`, under a name made of their place."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray):
        return {_ARRAY: _keep_array(value, place, arrays)}
    if isinstance(value, list):
        return [_encode(item, f"{place}.{index}", arrays) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return _encode_dict(value, place, arrays)
    if isinstance(value, np.bool_):
        return bool(value)
    duration = isinstance(value, np.generic) and value.dtype.kind == "m"  # timedelta64 is a subclass of np.integer
    if isinstance(value, int | np.integer) and not duration:
        return int(value)
    if isinstance(value, float | np.float16 | np.float32):
        return _encode_float(float(value))
    raise TypeError(f"{place} is a {type(value).__name__}, which a state file cannot hold")


def _encode_float(value: float) -> Any:
    # Python's JSON restores finite floats bit for bit; JSON has no NaN and no infinities.
    return value if math.isfinite(value) else {_FLOAT: struct.pack(">d", value).hex()}


def _encode_dict(value: dict[Any, Any], place: str, arrays: dict[str, np.ndarray]) -> Any:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{place} has the key {key!r}, which is a {type(key).__name__} instead of a str")
    encoded = {str(key): _encode(value[key], f"{place}.{key}", arrays) for key in sorted(value)}
    if any(key.startswith("$") for key in encoded):  # could be mistaken for `$array` or `$float64`
        return {_DICT: [[key, item] for key, item in encoded.items()]}
    return encoded


def _keep_array(array: np.ndarray, place: str, arrays: dict[str, np.ndarray]) -> str:
    if array.dtype.hasobject:
        raise TypeError(f"{place} is an array of objects, which a state file cannot hold")
    if array.dtype.names and len(str(np.lib.format.dtype_to_descr(array.dtype))) > _LONGEST_HEADER // 2:
        raise TypeError(f"{place} is an array with too many fields; numpy could not read it back")
    readable = re.sub(r"[^A-Za-z0-9_.]", "_", place.removeprefix("state."))[-_NAME_LIMIT_CHARS:]
    name = f"{len(arrays):04d}-{readable}"
    arrays[name] = array
    return name


def _decode(node: Any, arrays: Mapping[str, np.ndarray], unused: set[str]) -> Any:
    if isinstance(node, list):
        return [_decode(item, arrays, unused) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {_ARRAY}:
        name = node[_ARRAY]
        if not isinstance(name, str) or name not in arrays:
            raise ValueError(f"the array {shown(name)} is missing from the state file")
        unused.discard(name)
        return arrays[name]
    if set(node) == {_FLOAT}:
        content = bytes.fromhex(node[_FLOAT])
        if len(content) != 8:
            raise ValueError(f"{shown(node[_FLOAT])} is not the hex form of a number")
        return struct.unpack(">d", content)[0]
    if set(node) == {_DICT}:
        return {key: _decode(item, arrays, unused) for key, item in node[_DICT]}
    return {key: _decode(item, arrays, unused) for key, item in node.items()}
