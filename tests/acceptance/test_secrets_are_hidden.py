"""What a session prints, raises or reports is masked wherever a command shows or records it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from tests.doubles.toy_section import ENTRY, make_toy_project

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
SECTION = Path("validation_ch7/section_7_6_rl_performance")
PRINTS = """
    key, token = Path(os.environ["HOME"], "found").read_text().split()
    context.reporter.say(f"[CHECKPOINT] key {key} and token {token}")
    context.reporter.progress(steps=1, target_steps=40, last=True, **{key: 0.5})
    print("Authorization: Bearer", token, flush=True)
    print("-----BEGIN RSA " + "PRIVATE KEY-----", token * 2, "-----END RSA " + "PRIVATE KEY-----", sep="\\n")
"""
FAILS = '    raise RuntimeError(f"401 for https://ana:{key}@example.org/?token={token}")\n'


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose session reads two secrets from the user's home, prints both, and fails with both."""
    home = tmp_path / "home"
    (home / ".kaggle").mkdir(parents=True)
    (home / ".kaggle" / "kaggle.json").write_text(f'{{"username": "ana", "key": "{KEY}"}}', encoding="utf-8")
    (home / "found").write_text(f"{KEY} {TOKEN}", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    root = make_toy_project(tmp_path / "project")
    place = '    lineage = spec["lineage"]\n'
    (root / SECTION / "entry.py").write_text(ENTRY.replace(place, place + PRINTS + FAILS), encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    return root


def assert_hidden(text: str) -> None:
    assert KEY not in text.lower() and TOKEN not in text and "\x1b" not in text


def test_no_command_shows_or_records_what_a_session_printed(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    popen = subprocess.Popen

    def noted(command: Any, *args: Any, **kwargs: Any) -> Any:
        started.append(str(command) + str(kwargs.get("env")))
        return popen(command, *args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    assert main(["run", "section_7_6", "--quick", "--json"]) == 1
    shown = "".join(capsys.readouterr())
    assert "[CHECKPOINT] key [value of KAGGLE_KEY]" in shown and "RuntimeError" in shown
    assert_hidden(shown)
    for words in (
        ["logs", "section_7_6"],
        ["why"],
        ["why", "--json"],
        ["status"],
        ["status", "--json"],
        ["checkpoints", "list", "section_7_6"],
        ["report", "section_7_6"],
    ):
        main(words)
        shown = "".join(capsys.readouterr())
        assert shown, words
        assert_hidden(shown)
    # The ledger may be shown to others; the files that the session wrote stay as they are.
    written = [path for path in (toy / ".orchestrator").glob("*") if path.is_file()]
    assert any(path.name == "ledger.sqlite" for path in written)
    for path in written:
        text = path.read_bytes().decode("latin-1")
        assert KEY not in text.lower() and TOKEN not in text, path
    assert started
    assert_hidden(" ".join(started))  # the command lines and the environment of all processes
