"""Finds what looks like a secret: the rules of detect-secrets, and rules that it lacks."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from orchestrator.stores.secrets.patterns import ALLOWED_LINE, DETECTORS, OWN


def rule_findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, kind and text of everything that looks like a secret.

    Lines with `pragma: allowlist secret` are left out.
    """
    lines: list[str] = []
    reported = set[int]()
    for kind, find in _rules(text):
        for hit in dict.fromkeys(find(text)):
            lines = lines or text.split("\n")
            for number in _lines_with(hit, lines, find):
                if number not in reported and not ALLOWED_LINE.search(lines[number - 1]):
                    reported.add(number)
                    yield number, f"what looks like a {kind}", hit


def hits_of(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of everything that looks like a secret, on allowed lines too."""
    for kind, find in _rules(text):
        yield from ((kind, hit) for hit in dict.fromkeys(find(text)))


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
    """Numbers of the lines that a match is in.

    Of a match over several lines, the last one counts; a short password may be part of other lines by chance.
    """
    last = hit.rstrip("\n").rpartition("\n")[2]
    holding = [number for number, line in enumerate(lines, start=1) if last in line]
    return [number for number in holding if hit in find(lines[number - 1])] or holding


def _is_real(hit: str) -> bool:
    """Whether it is more than a placeholder such as `{password}`, `<token>` or `$PASSWORD`."""
    heuristic = importlib.import_module("detect_secrets.filters.heuristic")
    return bool(hit) and not heuristic.is_templated_secret(hit) and not hit.startswith("$")


@lru_cache(maxsize=len(DETECTORS))
def _detector(module: str, name: str) -> Any:
    # Imported late: it takes a tenth of a second, mostly for an HTTP library. The rules are used one by one, because
    # the package's own scan would also ask the services whether a secret is valid.
    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()
