"""Reads JSON from outside: a value within fixed limits, or `Unreadable`, which names the file and the key."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Far deeper than any of our files; deeper values could exhaust the stack of recursive code."""
MAX_STATE_DEPTH = 1000
"""For the state of a training, which has the depth of the user's own objects; Python itself recurses no deeper."""
MOST_DIGITS = 300
"""A whole number with more digits fits no float."""
MOST_BYTES = 64 << 20
"""Largest file: a manifest takes about 200 bytes for each output, a card about 150 for each ancestor."""
_SUSPICIOUS = re.compile(r"\d{200}|[eE]\+?\d{3}")
"""In every number that is too large: otherwise it has under 200 digits and an exponent of at most 99."""
_SHOWN_CHARS, _BEGINNING_CHARS = 40, 12
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b[\]PX^_][^\n]*?(?:\x07|\x1b\\|(?=\n)|$)"  # OSC, DCS, SOS, PM, APC: titles, links, anything up to their end
    r"|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
)
"""Control sequences of terminals. Source: ECMA-48, 5th edition, sections 5.4 and 5.6."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move the cursor, reorder the line, or are no characters; not the tab and the line feed."""


class Unreadable(ValueError):
    """Something from outside cannot be used.

    Attributes:
        source: Name of the file or of the answer.
        key: Place of the value, as `files[0].path`; empty for the whole.
        why: What is wrong with it.
    """

    def __init__(self, source: str, why: str, key: str = "") -> None:
        super().__init__(f"{source} cannot be read: {f'{key} ' if key else ''}{why}")
        self.source, self.key, self.why = source, key, why


def read_json(text: str | bytes, source: str = "the text", *, depth: int = MAX_DEPTH, halves: bool = False) -> Any:
    """The value of a JSON text.

    NaN and infinities are refused, including numbers such as `1e999` that become infinite: JSON has none of them
    (RFC 8259, section 6), and every comparison with NaN is false. A key that is given twice is refused: readers differ
    in which value they take.

    Args:
        text: The text; bytes are UTF-8.
        source: Name of the file or of the answer, for the error.
        depth: Most nested lists and objects.
        halves: Whether to accept half a surrogate pair: a log may have been cut between the halves, and Python keeps
            bytes of a file name that are not UTF-8 so.

    Raises:
        Unreadable: The text is not such JSON.
    """
    try:
        plain = text.decode("utf-8") if isinstance(text, bytes) else text
        hooks: dict[str, Any] = {"parse_float": _finite, "parse_int": _whole} if _SUSPICIOUS.search(plain) else {}
        value = json.loads(plain, parse_constant=_refuse, object_pairs_hook=_without_repeats, **hooks)
        if plain.count("[") + plain.count("{") > depth and _deeper_than(value, depth):
            raise ValueError(f"it is nested more than {depth} deep")
        if not halves and "\\u" in plain:
            # An escape may produce an unpaired surrogate, which cannot be written to a file or a terminal.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise Unreadable(source, f"it is nested more than {depth} deep") from None
    except UnicodeEncodeError as fault:
        raise Unreadable(source, "it holds half a surrogate pair, which is not a character") from fault
    except ValueError as fault:
        raise Unreadable(source, str(fault)) from fault
    return value


def read_object(path: Path, most_bytes: int = MOST_BYTES, *, halves: bool = False) -> dict[str, Any]:
    """The JSON object in a file; `halves` as of `read_json`.

    Raises:
        Unreadable: The file does not exist, is too large, or holds something else.
    """
    plain = read_json(read_bounded(path, most_bytes), path.name, halves=halves)
    if not isinstance(plain, dict):
        raise Unreadable(path.name, f"it holds {shown(plain)} instead of an object")
    return plain


def read_bounded(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        Unreadable: It is no regular file, is larger than `most_bytes`, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise Unreadable(path.name, "it is a folder" if path.is_dir() else "it is no file")
        with path.open("rb") as stream:
            content = stream.read(most_bytes + 1)
    except OSError as fault:
        raise Unreadable(path.name, fault.strerror or str(fault)) from fault
    if len(content) > most_bytes:
        raise Unreadable(path.name, f"it is larger than {most_bytes} bytes")
    return content


def read_lines(content: bytes, source: str) -> Iterator[tuple[int, dict[str, Any] | Unreadable]]:
    """The lines of a file of JSON objects, with their numbers from 1 on; for a damaged line its error.

    Empty lines and values that are no objects are left out.
    """
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = read_json(line, f"{source}, line {number},")
        except Unreadable as fault:
            yield number, fault
            continue
        if isinstance(value, dict):
            yield number, value


def without_controls(text: str) -> str:
    """A text that a terminal only shows: no control sequences, and a space for each other control character."""
    if text.isprintable():
        return text
    return _CONTROLS.sub(" ", ESCAPES.sub("", text))


def shown(value: Any) -> str:
    """A value for a message: short, and on one line."""
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    text = kinds.get(type(value)) or repr(value)
    # A long text may be a secret of which a mask would not find a part.
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_BEGINNING_CHARS]}..."


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_SHOWN_CHARS]} is too large for a number")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"a number has at most {MOST_DIGITS} digits, not {len(text)}")
    return int(text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {shown(counts.most_common(1)[0][0])} is given twice")
    return found


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether a value is nested deeper than the limit. Walks level by level, since recursion could overflow."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
