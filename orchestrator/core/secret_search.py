"""Searches bytes for the secrets in use, in every usual encoding of them, and hides them in texts. No I/O."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Shorter values occur in harmless files by chance."""
NAMES_OF_SECRETS = re.compile(
    r"TOKEN(?!I)|SECRET|PASSW(OR)?D|PASSWRD|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|ACCOUNT|AUTH|SIGNING|ENCRYPTION)_?KEY"
    r"|WEBHOOK|(^|_)(KEY|PASS|PWD|PAT|DSN)$",
    re.IGNORECASE,
)
"""Environment variables whose value is probably a secret."""
_KEPT = re.compile(r"PWD|.*PROXY|(PIP|UV)_(?!PUBLISH).*", re.IGNORECASE)
"""The current folder; and how packages are installed, which may need a password."""
_PASSWORD_IN_ADDRESS = re.compile(r"://[^\s/:@]*:[^\s/@]+@")
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
        file: The whole file, as the user names it to allow a finding; the place itself if empty.
        match: What a rule found; empty for a secret in use.
    """

    place: str
    line: int | None
    what: str
    file: str = ""
    match: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", self.file or self.place)

    @property
    def id(self) -> str:
        """Identifies what a rule found without showing it; empty for a secret in use, which cannot be allowed."""
        return hashlib.sha256(self.match.encode("utf-8", "surrogatepass")).hexdigest()[:12] if self.match else ""

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}, line {self.line}"
        return f"{where}: {self.what}" + (f" (finding {self.id})" if self.match else "")


Rules = Callable[[str], Iterable[tuple[int, str, str]]]
"""Text -> line number, kind and text of each secret that it seems to contain."""


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
        folded += [(value, form) for value in values for form in _listings(value.value)]
        self._folded = [(value, form) for value, form in dict.fromkeys(folded) if len(form) >= SHORTEST]

    def in_text(self, place: str, content: bytes, file: str = "") -> Iterator[Finding]:
        """Secrets in use, then what the rules find on other lines.

        Args:
            file: The whole file, if the place is a part of one.
        """
        found = list(self.of_values(place, content))
        yield from found
        known = {one.line for one in found}
        if b"\0" not in content:
            yield from (one for one in self.of_rules(place, content, file) if one.line not in known)

    def of_rules(self, place: str, content: bytes, file: str = "", *, numbered: bool = True) -> Iterator[Finding]:
        """What the rules find.

        Args:
            numbered: Whether the lines are those of the file.
        """
        for line, what, match in self._rules(content.decode("utf-8", "replace")):
            yield Finding(place=place, line=line if numbered else None, what=what, file=file, match=match)

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


class ValueMask:
    """Replaces every encoding of the secrets in use by their names, in either case.

    Args:
        values: Secrets in use.
    """

    def __init__(self, values: Iterable[SecretValue]) -> None:
        forms = [(form.lower(), value.name) for value in values for form in _texts(value.value)]
        # The longest first: a webhook's address holds its secret part.
        self._forms = sorted(dict(forms).items(), key=lambda pair: -len(pair[0]))

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        lowered = text.lower()
        for form, name in self._forms:
            if form in lowered:
                hidden = f"[value of {name}]"
                text = re.sub(re.escape(form), lambda _: hidden, text, flags=re.IGNORECASE)  # noqa: B023 called at once
                lowered = text.lower()
        return text


def masked(text: str, values: Iterable[SecretValue]) -> str:
    """The text with every encoding of the secrets in use replaced by their names."""
    return ValueMask(values)(text)


def masked_json(value: Any, mask: Callable[[str], str]) -> Any:
    """A plain JSON value with every text in it masked, names included."""
    # Masked together first, which is far faster for the status of thousands of trials: nearly always nothing is found.
    joined = "\n".join(_texts_in(value))
    return value if mask(joined) == joined else _masked_parts(value, mask)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts_in(one)


def _masked_parts(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(name) if isinstance(name, str) else name: _masked_parts(one, mask) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_masked_parts(one, mask) for one in value)
    return value


def _texts(value: str) -> Iterator[str]:
    yield value
    for form in _spellings(value):
        if b"\0" not in form:
            yield form.decode("utf-8", "surrogateescape")


def _spellings(value: str) -> list[bytes]:
    """Encodings of a value: plain, base64, hexadecimal, UTF-16, UTF-32; escaped for addresses, JSON, HTML, Python."""
    plain = value.encode("utf-8", "surrogateescape")
    forms = [
        plain,
        quote(plain).encode("ascii"),
        quote(plain, safe="").encode("ascii"),
        quote_plus(plain).encode("ascii"),
    ]
    forms += [json.dumps(value)[1:-1].encode("ascii")]
    forms += [html.escape(value).encode("utf-8", "surrogateescape"), "".join(f"%{one:02X}" for one in plain).encode()]
    forms += ["".join(f"\\x{one:02x}" for one in plain).encode()]
    forms += [value.encode("ascii", "backslashreplace")]
    forms += [plain.hex().encode("ascii"), plain.hex().upper().encode("ascii")]
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        forms.append(value.encode(encoding, "surrogatepass"))
    for core in (*_base64_cores(plain), *_base64_cores(value.encode("utf-16-le", "surrogatepass"))):
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    return list(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def _listings(value: str) -> Iterator[bytes]:
    """A value as a list of its bytes, as it looks without blanks, commas and backslashes: numbers, entities, octal."""
    plain = value.encode("utf-8", "surrogateescape")
    for form in ("{}", "0x{:02x}", "0x{:x}", "&#{};", "&#x{:x};", "{:03o}"):
        yield "".join(form.format(one) for one in plain).encode()


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


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a session may have: none that is probably a secret, and no SSH agent."""
    return {name: value for name, value in environ.items() if _KEPT.fullmatch(name) or not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    by_name = "KAGGLE" in name.upper() or name == "SSH_AUTH_SOCK" or NAMES_OF_SECRETS.search(name)
    return bool(by_name or _PASSWORD_IN_ADDRESS.search(value) or "PRIVATE KEY-----" in value)
