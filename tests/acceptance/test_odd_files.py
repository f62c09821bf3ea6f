"""A damaged or hostile file of a project ends no command as an internal error; the fuzz of the readers goes further."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.core.errors import EXIT_OUR_BUG
from tests.doubles.toy_section import make_toy_project

DEEP = b"[" * 100_000
NUMBER = b"1" * 9000
SANDBOX = ".orchestrator/local/*"
DATA = "validation_ch7/section_7_6_rl_performance/data"
CAMPAIGN = "campaign: one\nbackend: local\ntrials:\n  main: {section: section_7_6, profile: quick, seeds: [0]}\n"
LOOKS = (
    *(("status", "--json"), ("why",), ("run", "section_7_6", "--quick", "--dry-run"), ("campaign", "status", "one")),
    *(("report", "section_7_6"), ("campaign", "tick", "one")),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one finished run."""
    root = make_toy_project(tmp_path_factory.mktemp("project"))
    (root / "configs/campaigns").mkdir(parents=True)
    (root / "configs/campaigns/one.yaml").write_text(CAMPAIGN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRATOR_ROOT", str(root))
        assert main(["run", "section_7_6", "--quick"]) == 0
    return root


def replace(pattern: str, content: bytes) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (path,) = root.glob(pattern) if "*" in pattern else [root / pattern]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return act


def folder(name: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).mkdir(parents=True)

    return act


def row(table: str, column: str, value: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        with sqlite3.connect(root / ".orchestrator/ledger.sqlite") as connection:
            connection.execute(f"UPDATE {table} SET {column} = json_set({column}, ?, json(?))", (value, '{"a": {}}'))
        connection.close()

    return act


@pytest.mark.parametrize(
    "damage",
    [
        replace(f"{SANDBOX}/exit.json", b'{"reason": [[1]]}'),
        replace(f"{DATA}/models/checkpoints/*_40_steps.json", b'{"card_version": 1, "files": []}'),
        row("events", "body", "$.ticket.spec"),
        folder(".orchestrator/campaigns.lock"),
        *(
            pytest.param(damage, marks=pytest.mark.prove)
            for damage in (
                replace(f"{SANDBOX}/submitted.json", NUMBER),
                replace(f"{SANDBOX}/ticket.json", b"\0" * 100),
                replace(f"{DATA}/restore_journal.json", b'{"target": "../../x", "staged": "x", "archive": "y"}'),
                replace(f"{DATA}/models/training_metadata.json", DEEP),
                replace("validation_output/results/*/session_manifest.json", b'{"wire_version": 1, "started_at": 5}'),
                replace(
                    "validation_output/results/*/events.jsonl", b'{"kind": "progress", "eta_s": Infinity}\n' + DEEP
                ),
                replace(".orchestrator/proofs/section_7_6-abc.json", DEEP),
                row("sessions", "row", "$.planned_at"),
                row("runs", "row", "$.steps_done"),
                folder(".orchestrator/ledger.sqlite"),
                folder(f"{DATA}/models.lock"),
            )
        ),
    ],
    ids=range(15),
)
def test_no_command_ends_as_an_internal_error(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    damage(root)
    codes = {words: main(list(words)) for words in LOOKS}
    assert EXIT_OUR_BUG not in codes.values(), codes
    assert not (root / ".orchestrator/last_error.txt").exists()


def test_a_damaged_row_of_the_ledger_is_named(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path / "project"))
    row("sessions", "row", "$.planned_at")(tmp_path / "project")
    assert main(["cancel", "section_7_6"]) == 2
    said = capsys.readouterr().err
    assert "ledger.sqlite is not a readable ledger" in said
    assert "planned_at must be an ISO time with its zone, not an object" in said


COMMANDS = (
    *(("status",), ("why",), ("run", "section_7_6", "--quick"), ("run", "section_7_6", "--quick", "--dry-run")),
    *((name, "section_7_6") for name in ("cancel", "fetch", "logs", "report")),
    ("checkpoints", "list", "section_7_6"),
    *(("campaign", name, "one") for name in ("plan", "status", "results")),
)


def test_every_command_names_a_damaged_handle_and_none_blames_the_user(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    with sqlite3.connect(root / ".orchestrator/ledger.sqlite") as connection:
        connection.execute("UPDATE sessions SET row = json_set(row, '$.handle', 'garbage')")
    connection.close()
    for words in COMMANDS:
        code = main(list(words))
        out, err = capsys.readouterr()
        said = " ".join((out + err).split())
        assert code == (0 if words == ("why",) else 2), (words, said)
        assert "ledger.sqlite is not a readable ledger" in said and "handle must be a handle such as" in said, words
        assert "Write it as" not in said


@contextmanager
def within_s(seconds: int) -> Iterator[None]:
    """Fail instead of hanging."""

    def too_slow(number: int, frame: object) -> None:
        raise AssertionError(f"it takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo if hasattr(os, "mkfifo") else Path.touch,
    "folder": lambda path: path.mkdir(parents=True),
    "garbage": lambda path: path.write_bytes(b"\x00\xffgarbage"),
    "broken link": lambda path: path.symlink_to("nowhere"),
    "device": lambda path: path.symlink_to("/dev/zero"),
}
REPORT = "validation_output/campaigns/one"
CAMPAIGN_COMMANDS = (
    *(("campaign", name, "one") for name in ("plan", "status", "results", "report", "tick")),
    *(("campaign", "sweep", "one", "--dry-run"), ("campaign", "report", "one", "--output", "elsewhere")),
)


PLACES = (
    *(".orchestrator/campaigns.lock", f"{DATA}/models.lock", f"{DATA}/restore_journal.json"),
    *(f"{DATA}/restored_files.json", REPORT, f"{REPORT}/.campaign_report", f"{REPORT}/table.csv"),
)
TYPICAL = {(PLACES[0], "pipe"), (PLACES[1], "broken link"), (PLACES[2], "device"), (PLACES[5], "folder")}


@pytest.mark.skipif(os.name == "nt", reason="pipes, devices, and links without a privilege")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in TYPICAL else pytest.mark.prove)
        for name in PLACES
        for kind in ODD
    ],
)
def test_campaign_commands_end_with_one_line_whatever_is_in_the_place_of_a_file(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    kind: str,
) -> None:
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    monkeypatch.chdir(root)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    if (root / name).exists():
        (root / name).unlink()
    ODD[kind](root / name)
    for words in CAMPAIGN_COMMANDS:
        with within_s(10):
            code = main(list(words))
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
        assert (code, len(errors)) in ((0, 0), (2, 1)), (words, code, errors)
    assert not (root / ".orchestrator/last_error.txt").exists()


@pytest.mark.skipif(os.name == "nt", reason="links without a privilege")
@pytest.mark.parametrize(("kind", "what"), [("folder", "it is a folder"), ("broken link", "it is a link")])
def test_what_is_in_the_place_of_a_lock_is_named(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    what: str,
) -> None:
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    ODD[kind](root / ".orchestrator/campaigns.lock")
    assert main(["campaign", "tick", "one"]) == 2
    said = capsys.readouterr().err
    assert f"campaigns.lock cannot be used as the lock of the campaigns: {what}" in said
    assert "Move it elsewhere" in said
