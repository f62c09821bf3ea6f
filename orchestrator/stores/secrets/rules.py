"""Finds what looks like a secret: the rules of detect-secrets, and rules that it lacks. Hides secrets in texts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any

from orchestrator.core.secret_search import SecretValue, ValueMask
from orchestrator.kernel.reading.json_text import ESCAPES
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.secrets.patterns import ALLOWED_LINE, DETECTORS, OWN, SHOWN

_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_KEY = re.compile(rf"{_KEY_BEGINS.pattern}.*?(?:{_KEY_ENDS.pattern}|\Z)", re.DOTALL)
_OF_A_KEY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_UNSEEN: dict[int, str | None] = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), *range(0x200B, 0x2010)))
_UNSEEN |= {**dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)), 0x0D: " "}
"""Control characters except tab and line feed, characters without width, and those that reverse the direction."""

_SHORTEST_HIDDEN = 4
_LONG_CHARS = 2048
"""Far above any secret of a rule."""
_known: dict[str, SecretValue] = {}


def rule_findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, kind and text of everything that looks like a secret.

    Lines with `pragma: allowlist secret` are left out.
    """
    lines: list[str] = []
    reported = set[int]()
    for first, part in _parts(text):
        for kind, find in _rules(part):
            for hit in dict.fromkeys(find(part)):
                lines = lines or text.split("\n")
                for number in (first + one for one in _lines_with(hit, part.split("\n"), find)):
                    if number not in reported and not ALLOWED_LINE.search(lines[number]):
                        reported.add(number)
                        yield number + 1, f"what looks like a {kind}", hit


def hits_of(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of everything that looks like a secret, on allowed lines too."""
    for _, part in _parts(text):
        for kind, find in _rules(part):
            yield from ((kind, hit) for hit in dict.fromkeys(find(part)))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Parts of a text with the number of their first line, from 0: the text, and pieces of very long lines.

    The time of some rules grows with the square of the length of a line, and a session could print such a line.
    """
    lines = text.split("\n") if len(text) > _LONG_CHARS else []
    long = [number for number, line in enumerate(lines) if len(line) > _LONG_CHARS]
    for number in long:
        for at in range(0, len(lines[number]), _LONG_CHARS // 2):
            yield number, lines[number][at : at + _LONG_CHARS]
    yield 0, "\n".join("" if len(line) > _LONG_CHARS else line for line in lines) if long else text


def _rules(text: str) -> Iterator[tuple[str, Callable[[str], list[str]]]]:
    """Kind and search function of each rule that can match."""
    lowered = text.lower()
    for kind, (words, form) in OWN.items():
        if any(word in lowered for word in words):
            yield kind, partial(_matches, form)
    for module, (name, words, trigger) in DETECTORS.items():
        if any(word in lowered for word in words) and (trigger is None or trigger.search(text)):
            detector = _detector(module, name)
            yield detector.secret_type, partial(_detected, detector)


def _matches(form: re.Pattern[str], text: str) -> list[str]:
    return [match[0] for match in form.finditer(text)]


def _detected(detector: Any, text: str) -> list[str]:
    return [hit for hit in detector.analyze_string(text) if _is_real(hit)]


def _lines_with(hit: str, lines: list[str], find: Callable[[str], list[str]]) -> list[int]:
    """Numbers, from 0, of the lines that a match is in.

    Of a match over several lines, the last one counts; a short password may be part of other lines by chance.
    """
    last = hit.rstrip("\n").rpartition("\n")[2]
    holding = [number for number, line in enumerate(lines) if last in line]
    return [number for number in holding if hit in find(lines[number])] or holding


def _is_real(hit: str) -> bool:
    """Whether it is more than a placeholder such as `{password}`, `<token>` or `$PASSWORD`."""
    heuristic = importlib.import_module("detect_secrets.filters.heuristic")
    return bool(hit) and not heuristic.is_templated_secret(hit) and not hit.startswith("$")


@lru_cache(maxsize=len(DETECTORS))
def _detector(module: str, name: str) -> Any:
    # Imported late: it takes a tenth of a second, mostly for an HTTP library. The rules are used one by one, because
    # the package's own scan would also ask the services whether a secret is valid.
    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()


def also_hide(values: Iterable[SecretValue]) -> None:
    """Hide further secrets from now on, such as the address of a campaign's webhook."""
    _known.update({one.value: one for one in values})


def masking(values: Iterable[SecretValue] | None = None) -> Callable[[str], str]:
    """A function that replaces the secrets in use, and what looks like another one, in a text.

    Args:
        values: The secrets in use; None to find them.
    """
    return _mask_of((*(secrets_in_use() if values is None else values), *_known.values()))


@lru_cache(maxsize=8)
def _mask_of(values: tuple[SecretValue, ...]) -> Callable[[str], str]:
    """One function for the same secrets: what it has masked need not be masked again."""
    hide_values = ValueMask(list(values))

    def mask(text: str) -> str:
        plain = hide_values(text)
        plain = _KEY.sub("[hidden: what looks like a private key]", plain)
        for kind, form in SHOWN.items():
            plain = form.sub(lambda found: _without_group(found, kind), plain)  # noqa: B023  # called at once
        for kind, hit in hits_of(plain):
            hidden = f"[hidden: what looks like a {kind}]"
            if len(hit) >= _SHORTEST_HIDDEN:
                plain = plain.replace(hit, hidden)
            else:  # the prefix of a token, as `ghp`; a single letter of a password would be replaced everywhere
                plain = re.sub(rf"\b{re.escape(hit)}_\w+", hidden, plain)
        return plain

    return mask


def _without_group(found: re.Match[str], kind: str) -> str:
    start, end = (at - found.start() for at in found.span("secret"))
    if found["secret"].startswith("[hidden: ") or found["secret"].startswith("[value of "):
        return found[0]
    return f"{found[0][:start]}[hidden: {kind}]{found[0][end:]}"


class LineMask:
    """Masks lines that are shown one after another: the lines of a private key are hidden too.

    Commands to the terminal are removed first, so that none hides a part of a secret or changes the terminal.

    Args:
        mask: Masks one text.
    """

    def __init__(self, mask: Callable[[str], str] | None = None) -> None:
        self._mask = mask or masking()
        self._in_key = False

    def __call__(self, line: str) -> str:
        """The line without secrets and commands."""
        plain = ESCAPES.sub("", line).translate(_UNSEEN)
        if self._in_key and _OF_A_KEY.search(plain) and not _KEY_ENDS.search(plain):
            return "[hidden: line of a private key]"
        self._in_key = bool(_KEY_BEGINS.search(plain)) and not _KEY_ENDS.search(plain)
        return self._mask(plain)
