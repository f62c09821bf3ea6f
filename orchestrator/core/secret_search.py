"""Searches bytes for the secrets in use, in every usual encoding of them, and hides them in texts. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from orchestrator.core.secret_finding import Finding
from orchestrator.core.secret_forms import (
    SHORTEST,
    SHORTEST_COMPACT,
    SHORTEST_CORE,
    SIGNS,
    compact,
    encoded_forms,
    groups_in,
    is_random,
    listings,
    may_hold,
    spellings,
    whole_arrays,
)
from orchestrator.core.secret_lines import hide_spread

NAMES_OF_SECRETS = re.compile(
    r"TOKEN(?!I)|SECRET|PASSW(OR)?D|PASSWRD|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|ACCOUNT|AUTH|SIGNING|ENCRYPTION)_?KEY"
    r"|WEBHOOK|(^|_)(KEY|PASS|PWD|PAT|DSN)$",
    re.IGNORECASE,
)
"""Environment variables whose value is probably a secret."""
_KEPT = re.compile(r"PWD|.*PROXY|(PIP|UV)_(?!PUBLISH).*", re.IGNORECASE)
"""The current folder; and how packages are installed, which may need a password."""
_PASSWORD_IN_ADDRESS = re.compile(r"://[^\s/:@]*:[^\s/@]+@")
_DROPPED = b"\"'`\\+,() \t\r\n"
_FOLDED = bytes(range(256)).lower()
_SIGN = r"[\x00-/:-@\[-`{-\x7f]*"
"""What `compact` removes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """A secret in use on this computer. Its value is never printed.

    Attributes:
        name: Environment variable or file that holds it.
    """

    name: str
    value: str = field(repr=False)


_Form = tuple[SecretValue, bytes]
Rules = Callable[[str], Iterable[tuple[int, str, str]]]
"""Text -> line number, kind and text of each secret that it seems to contain."""


@dataclass(frozen=True, slots=True)
class _Forms:
    """What to search for, each with the secret that it stands for.

    Attributes:
        compact: In a content without signs; see `compact`.
        groups: Of these.
        raw: In binary content as it is.
        folded: In text without quotes, blanks and line ends, in either case.
    """

    compact: Sequence[_Form]
    groups: frozenset[int]
    raw: Sequence[_Form]
    folded: Sequence[_Form]


@lru_cache(maxsize=4)
def _prepared(values: tuple[SecretValue, ...]) -> _Forms:
    packed, raw, folded = list[_Form](), list[_Form](), list[_Form]()
    for value in values:
        plain, spelled = value.value.encode("utf-8", "surrogateescape"), spellings(value.value)
        hidden, others = list(encoded_forms(value.value)), list[bytes]()
        if is_random(value.value):
            hidden += [plain, plain[::-1]]
        else:  # a phrase, between whose words code may have other signs: only as it is spelled
            others = [*whole_arrays(value.value), *(one for one in spelled if compact(plain)[:4] in compact(one))]
        for form in (*hidden, *spelled):
            if form not in others and len(compact(form)) >= SHORTEST_COMPACT:
                packed.append((value, compact(form)))
            elif form in spelled or len(form) >= SHORTEST_CORE:
                others.append(form)
        raw += [(value, form) for form in others]
        folded += [(value, _fold(form)) for form in others if b"\0" not in form]
        folded += [(value, form) for form in listings(value.value) if len(form) < SHORTEST_COMPACT]
    return _Forms(
        compact=list(dict.fromkeys(packed)),
        groups=groups_in(form for _, form in packed),
        raw=list(dict.fromkeys(raw)),
        folded=[one for one in dict.fromkeys(folded) if len(one[1]) >= SHORTEST],
    )


class SecretSearch:
    """Searches for secrets in use, and for text that looks like a secret.

    Args:
        values: Secrets in use, searched in text and in binary content.
        rules: Find secrets in text that are not in use here; a line can be exempted from these only.
    """

    def __init__(self, values: Sequence[SecretValue], rules: Rules = lambda text: ()) -> None:
        self._rules = rules
        self._forms = _prepared(tuple(values))

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
        for squeeze, forms in self._ways(binary):
            searched = squeeze(content)
            if squeeze is compact and not may_hold(searched, self._forms.groups):
                continue
            for value, form in forms:
                if value not in found and (at := searched.find(form)) >= 0:
                    found.add(value)
                    line = None if binary else _line_of(content, at, squeeze)
                    yield Finding(place=place, line=line, what=f"the value of {value.name}, which is in use here")

    def _ways(self, binary: bool) -> Iterator[tuple[Callable[[bytes], bytes], Sequence[_Form]]]:
        """How a content is changed before a search, and the forms to search for."""
        if self._forms.compact:
            yield compact, self._forms.compact
        if binary and self._forms.raw:
            yield bytes, self._forms.raw
        if not binary and self._forms.folded:
            yield _fold, self._forms.folded


class ValueMask:
    """Replaces every encoding of the secrets in use, in either case and with signs in it, by their names.

    Args:
        values: Secrets in use.
    """

    def __init__(self, values: Iterable[SecretValue]) -> None:
        given = list(values)
        forms = [(form.lower(), value.name) for value in given for form in _texts(value.value)]
        self._forms = sorted(dict(forms).items(), key=_shortest_last)  # a webhook's address holds its secret part
        random = [one for one in given if is_random(one.value)]  # the words of a phrase may stand apart by chance
        spread = {compact(form.encode()): one.name for one in random for form in _texts(one.value) if form.isascii()}
        self._spread = sorted((pair for pair in spread.items() if len(pair[0]) >= SHORTEST_COMPACT), key=_shortest_last)

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        lowered = text.lower()
        for form, name in self._forms:
            if form in lowered:
                hidden = f"[value of {name}]"
                text = re.sub(re.escape(form), lambda _: hidden, text, flags=re.IGNORECASE)  # noqa: B023 called at once
                lowered = text.lower()
        return self._without_spread(text)

    def _without_spread(self, text: str) -> str:
        searched = text.encode("utf-8", "surrogatepass").translate(_FOLDED, SIGNS)
        for form, name in self._spread:
            if form in searched:
                signed, hidden = _SIGN.join(form.decode("ascii")), f"[value of {name}]"
                text = re.sub(signed, lambda _: hidden, text, flags=re.IGNORECASE)  # noqa: B023  # called at once
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
        return type(value)(_masked_parts(one, mask) for one in hide_spread(value, mask))
    return value


def _texts(value: str) -> Iterator[str]:
    yield value
    for form in spellings(value):
        if b"\0" not in form:
            yield form.decode("utf-8", "surrogateescape")


def _shortest_last(pair: tuple[str | bytes, str]) -> int:
    return -len(pair[0])


def _fold(content: bytes) -> bytes:
    return content.translate(_FOLDED, _DROPPED)


def _line_of(content: bytes, at: int, squeeze: Callable[[bytes], bytes]) -> int:
    passed = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        passed += len(squeeze(line))
        if passed > at:
            return number
    return len(lines)


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a session may have: none that is probably a secret, and no SSH agent."""
    return {name: value for name, value in environ.items() if _KEPT.fullmatch(name) or not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    by_name = "KAGGLE" in name.upper() or name == "SSH_AUTH_SOCK" or NAMES_OF_SECRETS.search(name)
    return bool(by_name or _PASSWORD_IN_ADDRESS.search(value) or "PRIVATE KEY-----" in value)
