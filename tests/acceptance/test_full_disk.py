"""A full, read-only or unwritable disk: a one-line cause, exit code 2, and the same command continues later."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.kaggle.health_check import _disk
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.main import main
from orchestrator.core.errors import RemoteUnavailable, RunFailed, StorageFault
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import ENTRY, make_toy_project

SECTION = Path("validation_ch7/section_7_6_rl_performance")
QUICK = ["run", "section_7_6", "--quick"]
TEMPORARY = (".partial", ".incoming", ".fetching")
EVERY = 1 if os.environ.get("PROVE_CAMPAIGN") else 3
"""`make prove-campaign` fills the disk at each operation in turn, `make test` at every third one."""


def opened(ledger: SqliteLedger) -> Path:
    """The file that a ledger opens: a copy has the path of its original for errors."""
    file: Path = getattr(ledger, "_copy", ledger._path)
    return file


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """Counts the disk operations of this process; the n-th and all later ones raise ENOSPC."""

    def __init__(self, patch: pytest.MonkeyPatch, nth: int) -> None:
        self.operations, self._nth = 0, nth
        for module, name in ((os, "fsync"), (os, "replace"), (os, "mkdir"), (shutil, "copyfile")):
            patch.setattr(module, name, self._limited(getattr(module, name)))

    def _limited(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*args: Any, **words: Any) -> Any:
            self.operations += 1
            if self.operations >= self._nth:
                raise no_space()
            return operation(*args, **words)

        return limited


def _models(root: Path) -> dict[str, bytes]:
    """Bytes of the checkpoint files, without the cards, which hold session stamps."""
    folder = root / SECTION / "data/models/checkpoints"
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".json"}


@pytest.mark.prove
def test_same_command_continues_after_any_operation_found_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = make_toy_project(tmp_path / "straight")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(straight))
    with pytest.MonkeyPatch.context() as patch:
        counted = FullDisk(patch, 10**6)
        assert main(QUICK) == 0
    capsys.readouterr()
    tried = 0
    for nth in range(1, counted.operations + 1, EVERY):
        root = make_toy_project(tmp_path / f"full-{nth}")
        monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(patch, nth)
            code = main(QUICK)
        printed = capsys.readouterr().err
        if disk.operations < nth:  # this run needed fewer operations, so its disk was never full
            assert code == 0, printed
            continue
        tried += 1
        assert code == 2, (nth, printed)
        assert len(printed.splitlines()) == 2 and printed.startswith("Error: the disk is full: "), (nth, printed)
        assert "Free disk space" in printed and "MB free" in printed
        assert main(QUICK) == 0, (nth, capsys.readouterr())
        assert _models(root) == _models(straight), nth
        left = [path.name for path in root.rglob(".*") if path.name.startswith(TEMPORARY)]
        assert left == [], nth
        shutil.rmtree(root)
    assert tried > counted.operations // EVERY // 2


def test_session_on_a_full_disk_ends_disk_full_and_the_command_continues(toy: Path) -> None:
    full = ENTRY.replace("        score = None\n", "").replace(
        "        steps = min(target, steps",
        "        if steps >= 20 and not Path(__file__).with_name('room.txt').exists():\n"
        "            try:\n"
        "                raise OSError(28, 'No space left on device')\n"
        "            except OSError as cause:\n"
        "                raise RuntimeError('the save failed') from cause\n"
        "        steps = min(target, steps",
    )
    (toy / SECTION / "entry.py").write_text(full, encoding="utf-8")
    for _ in range(4):  # more often than sessions may make no progress: these sessions do not count
        answer = orchestrate(toy, *QUICK, "--json")
        assert (answer.code, answer.json["exit_code"], answer.json["end_reason"]) == (2, 2, "disk_full")
        assert answer.json["steps_done"] == 20
        assert "Free disk space" in answer.err and "Traceback" not in answer.err
        assert "section_failed" not in answer.err + answer.out
    assert orchestrate(toy, "why", "--json").json["verdict"] == "disk_full"
    (toy / SECTION / "room.txt").write_text("", encoding="utf-8")
    answer = orchestrate(toy, *QUICK, "--json")
    assert (answer.code, answer.json["steps_start"], answer.json["steps_done"]) == (0, 20, 40)


def test_trial_on_a_full_disk_waits_with_reason_disk_full(toy: Path) -> None:
    entry = ENTRY.replace(
        "def run(context):\n", "def run(context):\n    raise OSError(28, 'No space left on device')\n"
    )
    (toy / SECTION / "entry.py").write_text(entry, encoding="utf-8")
    plan = (
        "campaign: c\nbackend: local\nconcurrency: 1\ntrials:\n  main:\n    section: section_7_6\n    profile: quick\n"
    )
    (toy / "c.yaml").write_text(plan + "    seeds: 1\n", encoding="utf-8")
    for _ in range(100):
        tick = orchestrate(toy, "campaign", "tick", "c.yaml", "--json").json
        (trial,) = tick["trials"]
        if trial["why"]:
            break
    assert (trial["state"], trial["why"], tick["over"]) == ("waiting", "disk_full", False)
    assert trial["due_at"] and "rest" in tick["waits"]
    assert trial["autopsy"]["verdict"] == "disk_full"
    assert "disk full: the disk was full (`python -m" in orchestrate(toy, "campaign", "status", "c.yaml").out


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "x", "/data/x.zip"), "the disk is full: /data/x.zip"),
        (OSError(errno.EDQUOT, "x", "/data/x.zip"), "the disk is full: /data/x.zip"),
        (OSError(errno.EROFS, "x", "/data/x.zip"), "read-only: /data/x.zip"),
        (OSError(errno.EACCES, "x", "/data/x.zip"), "permission denied: /data/x.zip"),
        (OSError(errno.EFBIG, "x", "/data/x.zip"), "larger than this system allows: /data/x.zip"),
        (OSError(errno.EMFILE, "x", "/data/x.zip"), "too many files are open: /data/x.zip"),
        (shutil.Error([("a", "/data/x.zip", "[Errno 28] No space left on device")]), "the disk is full: /data/x.zip"),
    ],
)
def test_write_errors_exit_2_not_3(fault: Exception, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise fault

    assert run_command(fail, as_json=True) == 2
    printed = capsys.readouterr()
    assert words in printed.err and len(printed.err.splitlines()) == 2
    assert json.loads(printed.out)["exit_code"] == 2 and json.loads(printed.out)["remedy"]


@pytest.mark.parametrize("outer", [RuntimeError("x"), RunFailed("x"), RemoteUnavailable("x"), KeyError("x")])
def test_full_disk_is_reported_when_another_error_wraps_it(
    outer: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        try:
            raise no_space()
        except OSError as cause:
            raise outer from cause

    assert run_command(fail) == 2
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [("status",), ("status", "--json"), (*QUICK, "--json"), QUICK, (*QUICK, "--dry-run")])
def test_unwritable_standard_output_is_reported_and_exits_2(toy: Path, words: tuple[str, ...]) -> None:
    import sys

    from tests.doubles.commands import environment

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(toy),
            check=False,
            timeout=120,
        )
    printed = done.stderr.decode("utf-8").rstrip().splitlines()
    assert done.returncode == 2, printed
    assert printed[-2].startswith("Error: the disk is full: standard output") and "Traceback" not in "".join(printed)


def test_full_ledger_exits_2(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    ledger.connection.execute("PRAGMA max_page_count=1")
    with (
        pytest.raises(StorageFault, match=r"the disk is full: .*ledger\.sqlite") as fault,
        ledger._transaction(durable=True),
    ):
        ledger.connection.execute("INSERT INTO runs VALUES ('r', 't', ?)", ('{"x": "' + "x" * 100_000 + '"}',))
    assert fault.value.exit_code == 2
    ledger.close()


@pytest.fixture
def unwritable_project(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project after a run; SQLite can no longer open the ledger in its `.orchestrator` folder."""
    assert orchestrate(toy, *QUICK).code == 0
    real = SqliteLedger._open

    def refused(ledger: SqliteLedger) -> None:
        if opened(ledger).parent == toy / ".orchestrator":
            raise StorageFault("this place is read-only")
        real(ledger)

    monkeypatch.setattr(SqliteLedger, "_open", refused)
    yield toy


def _listing(root: Path) -> dict[str, int]:
    return {path.as_posix(): path.stat().st_mtime_ns for path in root.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["why"],
        [*QUICK, "--dry-run"],
        ["run", "section_7_6", "--dry-run"],
        ["render", "section_7_6"],
        ["campaign", "plan", "smoke"],
        ["campaign", "status", "smoke"],
        ["campaign", "results", "smoke"],
    ],
)
def test_read_only_commands_work_where_nothing_can_be_written(
    unwritable_project: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    project_root: Path,
) -> None:
    shutil.copytree(project_root / "configs/campaigns", unwritable_project / "configs/campaigns")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(unwritable_project))
    before = _listing(unwritable_project)
    assert main(words) == 0, capsys.readouterr()
    if words == ["status"]:
        assert "40 of 40" in capsys.readouterr().out
    assert _listing(unwritable_project) == before


def test_report_shows_its_table_where_nothing_can_be_written(
    unwritable_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(folder: Path) -> Path:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr("orchestrator.stores.reporting.folder.marked_report", refuse)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(unwritable_project))
    assert main(["report", "section_7_6", "--json"]) == 0
    printed = capsys.readouterr()
    assert "No files were written (the file system or folder is read-only: " in printed.err
    assert "give --output FOLDER for them" in printed.err and "DQN, seed 0" in printed.err
    plain = json.loads(printed.out.splitlines()[-1])
    assert plain["files"] == [] and plain["unwritten"].startswith("No files were written")
    assert main(["report", "section_7_6", "--output", "elsewhere"]) == 2
    assert "Error: the file system or folder is read-only: elsewhere" in capsys.readouterr().err


def test_doctor_names_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = _disk(tmp_path / "absent")
    assert check.good is False and check.found.endswith(f"GB free, but {tmp_path} cannot be written")
    assert check.remedy == "Change its permissions, or work in a copy of the project."


def test_ledger_for_reading_includes_the_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own" / "ledger.sqlite"
    kept = SqliteLedger(path)
    kept.connection.execute("INSERT INTO events (at, kind, run_id, body) VALUES ('t', 'run_ended', 'r', '{}')")
    assert path.with_name("ledger.sqlite-wal").stat().st_size
    real = SqliteLedger._open
    monkeypatch.setattr(
        SqliteLedger,
        "_open",
        lambda ledger: real(ledger) if opened(ledger) != path else (_ for _ in ()).throw(StorageFault("read-only")),
    )
    with ledger_for_reading(path) as ledger:
        assert len(ledger.events()) == 1
    kept.close()  # copies the write-ahead log into the database file
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda **_: (_ for _ in ()).throw(FileNotFoundError("none")))
    with ledger_for_reading(path) as ledger:
        assert len(ledger.events()) == 1
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("words", [("status",), QUICK, (*QUICK, "--dry-run"), ("campaign", "plan", "smoke")])
def test_commands_work_in_an_ascii_locale_under_an_accented_path(
    tmp_path: Path, words: tuple[str, ...], project_root: Path
) -> None:
    root = make_toy_project(tmp_path / "élan")
    shutil.copytree(project_root / "configs/campaigns", root / "configs/campaigns")
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    answer = orchestrate(root, *words, **variables)
    assert answer.code == 0, answer.err
    # Another locale finds the same state.
    assert orchestrate(root, "status").code == 0
    assert words != QUICK or orchestrate(root, "why", **variables).code == 0
    if words == QUICK:
        assert orchestrate(root, "run", "section_7_6", "--json").json["steps_start"] == 40
