"""Search bytes for the secrets in use, in each spelling in which they are usually written. No I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

SHORTEST = 8
"""A shorter value stands in honest files by chance."""
_SHORTEST_CORE = 10
_DROPPED = b"\"'`\\+,() \t\r\n"
_FOLDED = bytes(range(256)).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """A secret that is in use on this computer. Its value never shows when it is printed.

    Attributes:
        name: Variable, or file, that holds it.
    """

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret in something that would leave this computer.

    Attributes:
        place: File, member of an archive, or field.
        line: From 1 on, None in a binary file.
        what: Which secret, without its value.
    """

    place: str
    line: int | None
    what: str

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}, line {self.line}"
        return f"{where}: {self.what}"


Rules = Callable[[str], Iterable[tuple[int, str]]]
"""Text -> line and kind of each secret that it seems to hold."""


class SecretSearch:
    """Searches for values in use, and for what looks like a secret.

    Args:
        values: Secrets in use. A value that is found is refused in every kind of content.
        rules: For text whose secrets are not in use here; a line may be exempted from them.
    """

    def __init__(self, values: Sequence[SecretValue], rules: Rules = lambda text: ()) -> None:
        self._rules = rules
        self._raw = [(value, form) for value in values for form in _spellings(value.value)]
        # In text, quotes, blanks and line ends inside a value do not hide it, nor does upper case.
        folded = [(value, _fold(form)) for value, form in self._raw if b"\0" not in form]
        self._folded = [(value, form) for value, form in folded if len(form) >= SHORTEST]

    def in_text(self, place: str, content: bytes) -> Iterator[Finding]:
        """Values in use and whatever the rules find, values first."""
        found = list(self.of_values(place, content))
        yield from found
        known = {one.line for one in found}
        if b"\0" not in content:
            for line, what in self._rules(content.decode("utf-8", "replace")):
                if line not in known:
                    yield Finding(place=place, line=line, what=what)

    def of_values(self, place: str, content: bytes) -> Iterator[Finding]:
        """Values in use: each once, where it stands first."""
        told = set[SecretValue]()
        binary = b"\0" in content
        searched = content if binary else _fold(content)
        for value, form in self._raw if binary else self._folded:
            if value not in told and (at := searched.find(form)) >= 0:
                told.add(value)
                line = None if binary else _line_of(content, at)
                yield Finding(place=place, line=line, what=f"the value of {value.name}, which is in use here")


def masked(text: str, values: Iterable[SecretValue]) -> str:
    """The text without the secrets in use, in any spelling that text can have."""
    for value in values:
        for form in _spellings(value.value):
            if b"\0" not in form:
                text = text.replace(form.decode("ascii", "surrogateescape"), f"[value of {value.name}]")
        text = text.replace(value.value, f"[value of {value.name}]")
    return text


def _spellings(value: str) -> list[bytes]:
    """Byte forms of a value: plain, escaped, hexadecimal, UTF-16 and UTF-32, and base64 at every offset."""
    plain = value.encode("utf-8")
    forms = [plain, quote(value, safe="").encode("ascii"), json.dumps(value)[1:-1].encode("ascii")]
    forms += [plain.hex().encode("ascii"), plain.hex().upper().encode("ascii")]
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        forms.append(value.encode(encoding))
    for core in _base64_cores(plain):
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    return list(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def _base64_cores(plain: bytes) -> Iterator[bytes]:
    """The base64 characters that depend on the value alone, whatever stands before and behind it (`user:key`)."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain)
        core = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        if len(core) >= _SHORTEST_CORE:
            yield core


def _fold(content: bytes) -> bytes:
    return content.translate(_FOLDED, _DROPPED)


def _line_of(content: bytes, folded_at: int) -> int:
    passed = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        passed += len(_fold(line))
        if passed > folded_at:
            return number
    return len(lines)
