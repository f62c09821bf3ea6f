"""Checks the type and range of every value in a card's JSON before any of them is used.

People can edit the folder that holds the cards. So a reader returns a card or raises ValueError; it never crashes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_CARD_BYTES = 64 << 20
"""A card takes about 150 bytes for each ancestor; a larger file is not a card."""
MAX_NAME_BYTES = 255
"""The longest file name that common file systems accept."""
MAX_STEPS = 2**53
MAX_SESSION = 1_000_000
_MAX_DEPTH = 64
_HEX = frozenset("0123456789abcdef")


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a small file.

    Raises:
        ValueError: The file cannot be read, is too large, is nested too deeply, or is not a JSON object.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_CARD_BYTES:
            raise ValueError(f"it has {size_bytes} bytes")
        plain = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} cannot be read: it is nested too deeply") from None
    except (OSError, ValueError) as fault:
        raise ValueError(f"{path.name} cannot be read: {fault}") from fault
    if not isinstance(plain, dict):
        raise ValueError(f"{path.name} is not a checkpoint card")
    return plain


def shape_fault(plain: Mapping[str, Any]) -> str | None:
    """The first value in a card's JSON with a wrong type or range, None when all are right.

    `CheckpointCard.from_json` refuses missing and unknown keys itself.
    """
    return next(_shape_faults(plain), None)


def name_fault(name: str, stem: str) -> str | None:
    """Why this cannot be the name of a checkpoint file of this stem, None when it can."""
    if "/" in name or "\\" in name or name in ("", ".", "..") or not name.isprintable():
        return f"{name[:80]!r} is not a plain file name"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"the file name {name[:40]!r}... is too long"
    if not name.startswith(stem):
        return f"{name!r} is not a file of {stem}"
    return None


def _shape_faults(plain: Mapping[str, Any]) -> Iterator[str]:
    for key, fits in _OF_KEY.items():
        if key in plain and not fits(plain[key]):
            yield _wrong_value(key, plain[key])
    for index, entry in enumerate(_list(plain.get("files"))):
        yield from _entry_faults(f"files[{index}]", entry, _OF_FILE)
    for index, ancestor in enumerate(_list(plain.get("ancestry"))):
        yield from _entry_faults(f"ancestry[{index}]", ancestor, _OF_ANCESTOR)
    for block, keys in (("stamp", _OF_STAMP), ("identity", _OF_IDENTITY), ("proof", _OF_PROOF)):
        value = plain.get(block)
        if isinstance(value, dict):
            yield from _entry_faults(block, value, keys)
            if not _is_shallow_and_finite(value):
                yield f"{block} is nested too deeply or holds a number that is not finite"
    stamp = plain.get("stamp")
    if isinstance(stamp, dict):
        yield from (f"stamp.{key} is missing" for key in ("lineage_id", "session") if key not in stamp)
    proof = plain.get("proof")
    if isinstance(proof, dict):
        yield from (f"proof.{key} is missing" for key in _OF_PROOF if key not in proof)


def _entry_faults(where: str, entry: Any, keys: Mapping[str, Callable[[Any], bool]]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield _wrong_value(where, entry)
        return
    for key, fits in keys.items():
        if key in entry and not fits(entry[key]):
            yield _wrong_value(f"{where}.{key}", entry[key])


def _wrong_value(where: str, value: Any) -> str:
    shown = type(value).__name__ if isinstance(value, dict | list) else repr(value)
    return f"{where} cannot be {shown[:40]}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and _HEX.issuperset(value)


def _is_whole(value: Any, most: int = MAX_STEPS) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_session(value: Any) -> bool:
    return _is_whole(value, MAX_SESSION)


def _is_seed(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_shallow_and_finite(value: Any) -> bool:
    """Whether a JSON value is at most `_MAX_DEPTH` deep and all its numbers are finite. Does not recurse."""
    layer, depth = [value], 0
    while layer and depth <= _MAX_DEPTH:
        if any(isinstance(one, float) and not math.isfinite(one) for one in layer):
            return False
        dicts = [one for one in layer if isinstance(one, dict)]
        lists = [one for one in layer if isinstance(one, list)]
        layer = [inner for one in dicts for inner in one.values()] + [inner for one in lists for inner in one]
        depth += 1
    return not layer


_OF_KEY: Mapping[str, Callable[[Any], bool]] = {
    "card_version": _is_whole,
    "stem": _is_text,
    "scenario": _is_text,
    "steps": _is_whole,
    "files": _is_list,
    "identity": _is_dict,
    "stamp": _is_dict,
    "saved_at": _is_text,
    "ancestry": _is_list,
    "digest": _is_digest,
    "proof": _is_dict,
}
_OF_FILE: Mapping[str, Callable[[Any], bool]] = {"path": _is_text, "size_bytes": _is_whole, "sha256": _is_digest}
_OF_ANCESTOR: Mapping[str, Callable[[Any], bool]] = {"steps": _is_whole, "digest": _is_digest, "continued": _is_text}
_OF_STAMP: Mapping[str, Callable[[Any], bool]] = {
    "lineage_id": _is_text,
    "run_id": _is_text,
    "nonce": _is_text,
    "section": _is_text,
    "spec_digest": _is_text,
    "bundle_digest": _is_text,
    "session": _is_session,
    "attempt": _is_session,
}
_OF_IDENTITY: Mapping[str, Callable[[Any], bool]] = {
    "section": _is_text_or_none,
    "algorithm": _is_text_or_none,
    "seed": _is_seed,
    "lost_state": _is_texts,
    "code_digest": _is_text_or_none,
}
_OF_PROOF: Mapping[str, Callable[[Any], bool]] = {
    "grade": _is_text,
    "cuts": _is_whole,
    "steps": _is_whole,
    "digest": _is_digest,
}
