"""Forbidden shortcuts: unchecked certificates, pickle, eval and exec."""

from __future__ import annotations

import io
import re
import tokenize
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.client.connection import Connection
from tests.conftest import PROJECT_ROOT

OURS = ("orchestrator", "validation_ch7")


def sources() -> list[Path]:
    return [path for top in OURS for path in (PROJECT_ROOT / top).rglob("*.py")]


_EXCEPTION = re.compile(
    r"#\s*(?:type: ignore(?:\[[\w, -]*\])?|noqa(?:: [A-Z]+\d+(?:, [A-Z]+\d+)*)?)[ #-]*(?P<reason>.*)"
)


def test_certificates_are_always_checked() -> None:
    for path in sources():
        assert not re.search(r"verify\s*=\s*False|CERT_NONE|_create_unverified", path.read_text("utf-8")), path
    connection = Connection(None, now=lambda: datetime.now(UTC))
    assert connection.session.verify is True
    connection.session.close()


def test_no_code_unpickles_or_evaluates() -> None:
    """Packages that run in a session may mention pickle, to state that they do not use it; all others may not."""
    may_mention_it = ("sb3", "kernel")
    for path in (PROJECT_ROOT / "orchestrator").rglob("*.py"):
        text = path.read_text("utf-8").replace('"exec"', "")
        assert not re.search(r"\bpickle\.(load|dump|Unpickler|Pickler)|(?<!\.)\beval\(|(?<!\.)\bexec\(", text), path
        if path.relative_to(PROJECT_ROOT / "orchestrator").parts[0] not in may_mention_it:
            assert not re.search(r"\bpickle\b|\beval\(|\bexec\(", text), path


def _without_reason(path: Path) -> list[int]:
    """Numbers of lines with `type: ignore` or `noqa` and no reason behind it or in a comment on the line above."""
    text = path.read_text(encoding="utf-8")
    if all(len(one["reason"]) >= 8 for one in _EXCEPTION.finditer(text)):
        return []
    comments = [one for one in tokenize.generate_tokens(io.StringIO(text).readline) if one.type == tokenize.COMMENT]
    alone = {one.start[0] for one in comments if one.line.lstrip().startswith("#")}
    found = [(one.start[0], _EXCEPTION.match(one.string)) for one in comments]
    return [line for line, one in found if one and len(one["reason"]) < 8 and line - 1 not in alone]


def test_every_exception_from_a_checker_has_its_reason() -> None:
    paths = sorted(path for top in (*OURS, "tests") for path in (PROJECT_ROOT / top).rglob("*.py"))
    assert [f"{path}:{line}" for path in paths for line in _without_reason(path)] == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a = b  # type: ignore[misc]", ""),  # TODO misc
        ("a = b  # type: ignore[misc, index]  # its class is untyped", "its class is untyped"),
        ("a = b  # noqa: F401, E731 - adds a rule", "adds a rule"),
        ("a = b  # noqa: F401 adds a rule", "adds a rule"),
        ("a = b  # noqa", ""),  # TODO
    ],
)
def test_a_reason_is_read_in_every_spelling(line: str, reason: str) -> None:
    found = _EXCEPTION.search(line)
    assert found is not None and found["reason"] == reason
