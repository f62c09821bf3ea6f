"""Forbidden shortcuts: unchecked certificates, pickle, eval and exec."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backends.kaggle.client.connection import Connection
from tests.conftest import PROJECT_ROOT

OURS = ("orchestrator", "validation_ch7")


def sources() -> list[Path]:
    return [path for top in OURS for path in (PROJECT_ROOT / top).rglob("*.py")]


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
