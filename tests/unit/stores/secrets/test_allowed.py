"""A finding that is no secret can be allowed with a reason; a secret in use cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.secret_search import SecretValue
from orchestrator.stores.secrets import allowed
from orchestrator.stores.secrets.outgoing import ALLOWED, Gate

TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
TEXT = f'{{"first": 1,\n "token": "{TOKEN}"}}\n'.encode()


def refused(gate: Gate, members: dict[str, bytes]) -> BadInput:
    with pytest.raises(BadInput) as fault:
        gate.check_code(members, "digest")
    return fault.value


def allow(folder: Path, file: str, finding: str, reason: str = "of the service's documentation") -> Path:
    path = folder / ALLOWED
    path.write_text(f"allowed:\n  - file: {file}\n    finding: '{finding}'\n    reason: {reason}\n", encoding="utf-8")
    return path


def finding_in(fault: BadInput) -> str:
    return re.findall(r"finding ([0-9a-f]{12})", str(fault))[0]


def test_a_finding_is_allowed_by_file_and_id_and_reported_once(tmp_path: Path) -> None:
    gate = Gate(lambda: (), tmp_path / ALLOWED)
    fault = refused(gate, {"a/own.json": TEXT})
    assert "a/own.json, line 2" in str(fault) and "allow it" in fault.remedy
    allow(tmp_path, "a/own.json", finding_in(fault))
    gate.check_code({"a/own.json": TEXT}, "digest")
    (note,) = gate.take_allowed()
    assert "a/own.json, line 2" in note and "documentation" in note and TOKEN not in note
    assert gate.take_allowed() == ()


def test_another_file_and_another_token_stay_refused(tmp_path: Path) -> None:
    gate = Gate(lambda: (), tmp_path / ALLOWED)
    allow(tmp_path, "a/own.json", finding_in(refused(gate, {"a/own.json": TEXT})))
    assert "b/own.json, line 2" in str(refused(gate, {"b/own.json": TEXT}))
    other = refused(gate, {"a/own.json": TEXT + b"hf_" + b"Z" * 34})
    assert "a/own.json, line 3" in str(other) and "a/own.json, line 2" not in str(other)
    assert TOKEN not in str(other)


def test_the_file_is_read_once_however_many_findings_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(lambda: (), tmp_path / ALLOWED)
    allow(tmp_path, "a/own.json", finding_in(refused(gate, {"a/own.json": TEXT})))
    reads: list[Path] = []
    real = allowed.read_allowed
    monkeypatch.setattr(allowed, "read_allowed", lambda path: (reads.append(path), real(path))[1])
    gate.check_code({"a/own.json": TEXT * 20}, "other digest")
    assert len(gate.take_allowed()) > 10 and reads == [tmp_path / ALLOWED]


def test_a_secret_in_use_cannot_be_allowed(tmp_path: Path) -> None:
    other = Gate(lambda: (), tmp_path / ALLOWED)
    allow(tmp_path, "a/own.json", finding_in(refused(other, {"a/own.json": TEXT})))
    in_use = Gate(lambda: (SecretValue(name="HF_TOKEN", value=TOKEN),), tmp_path / ALLOWED)
    for text in (TEXT, TEXT.replace(b'"}', b'"}  # pragma: allowlist secret')):
        fault = refused(in_use, {"a/own.json": text})
        assert "HF_TOKEN" in str(fault) and "finding" not in str(fault) and "allow it" not in fault.remedy


def test_an_archive_that_cannot_be_searched_cannot_be_allowed(tmp_path: Path) -> None:
    fault = refused(Gate(lambda: (), tmp_path / ALLOWED), {"a.7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(99)})
    assert "a.7z: is in the format 7z" in str(fault) and "finding" not in str(fault) and "allow it" not in fault.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "allowed: all\n",
        "allowed:\n  - file: a\n    finding: b\n",
        "allowed:\n  - {file: a, finding: b, reason: ' '}\n",
        "allowed:\n  - {file: a, finding: b, reason: c, line: 3}\n",
    ],
)
def test_an_entry_without_a_reason_or_with_other_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ALLOWED).write_text(text, encoding="utf-8")
    fault = refused(Gate(lambda: (), tmp_path / ALLOWED), {"a": TEXT})
    assert ALLOWED in str(fault) and TOKEN not in str(fault)
