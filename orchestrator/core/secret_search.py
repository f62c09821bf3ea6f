"""Searches bytes for the secrets in use, in every usual encoding of them. No I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

SHORTEST = 8
"""Shorter values occur in harmless files by chance."""
_SHORTEST_CORE = 10
_DROPPED = b"\"'`\\+,() \t\r\n"
_FOLDED = bytes(range(256)).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """A secret in use on this computer. Its value is never printed.

    Attributes:
        name: Environment variable or file that holds it.
    """

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret found in content that would leave this computer.

    Attributes:
        place: File, member of an archive, or field.
        line: Line number from 1, None in a binary file.
        what: Which secret; never its value.
    """

    place: str
    line: int | None
    what: str

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}, line {self.line}"
        return f"{where}: {self.what}"


Rules = Callable[[str], Iterable[tuple[int, str]]]
"""Text -> line number and kind of each secret that it seems to contain."""


class SecretSearch:
    """Searches for secrets in use, and for text that looks like a secret.

    Args:
        values: Secrets in use, searched in text and in binary content.
        rules: Find secrets in text that are not in use here; a line can be exempted from these only.
    """

    def __init__(self, values: Sequence[SecretValue], rules: Rules = lambda text: ()) -> None:
        self._rules = rules
        self._raw = [(value, form) for value in values for form in _spellings(value.value)]
        # In text, a value is found in spite of quotes, blanks or line ends inside it, and in either case.
        folded = [(value, _fold(form)) for value, form in self._raw if b"\0" not in form]
        self._folded = [(value, form) for value, form in folded if len(form) >= SHORTEST]

    def in_text(self, place: str, content: bytes) -> Iterator[Finding]:
        """Secrets in use, then what the rules find on other lines."""
        found = list(self.of_values(place, content))
        yield from found
        known = {one.line for one in found}
        if b"\0" not in content:
            for line, what in self._rules(content.decode("utf-8", "replace")):
                if line not in known:
                    yield Finding(place=place, line=line, what=what)

    def of_values(self, place: str, content: bytes) -> Iterator[Finding]:
        """Secrets in use, each at its first place."""
        found = set[SecretValue]()
        binary = b"\0" in content
        searched = content if binary else _fold(content)
        for value, form in self._raw if binary else self._folded:
            if value not in found and (at := searched.find(form)) >= 0:
                found.add(value)
                line = None if binary else _line_of(content, at)
                yield Finding(place=place, line=line, what=f"the value of {value.name}, which is in use here")


def masked(text: str, values: Iterable[SecretValue]) -> str:
    """The text with every encoding of the secrets in use replaced by their names."""
    for value in values:
        for form in _spellings(value.value):
            if b"\0" not in form:
                text = text.replace(form.decode("ascii", "surrogateescape"), f"[value of {value.name}]")
        text = text.replace(value.value, f"[value of {value.name}]")
    return text


def _spellings(value: str) -> list[bytes]:
    """Encodings of a value: plain, percent- and JSON-escaped, hexadecimal, UTF-16, UTF-32, base64 at each offset."""
    plain = value.encode("utf-8")
    forms = [plain, quote(value, safe="").encode("ascii"), json.dumps(value)[1:-1].encode("ascii")]
    forms += [plain.hex().encode("ascii"), plain.hex().upper().encode("ascii")]
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        forms.append(value.encode(encoding))
    for core in _base64_cores(plain):
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    return list(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def _base64_cores(plain: bytes) -> Iterator[bytes]:
    """The base64 characters that depend on the value alone, whatever surrounds it (`user:key`)."""
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
