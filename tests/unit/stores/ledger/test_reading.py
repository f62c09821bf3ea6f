"""Reading a ledger changes no byte of it and leaves no file beside it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput, StorageFault
from orchestrator.stores.ledger import reading
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.unit.stores.ledger.test_sqlite import EARLIER, WHOLE_SESSION, _plan, _start

_KILLED = """
import os, sys
from pathlib import Path
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.unit.stores.ledger.test_sqlite import _plan, _start
ledger = SqliteLedger(Path(sys.argv[1]))
ledger.record(_start())
ledger.record(_plan())
os._exit(9)
"""


def _files(folder: Path) -> dict[str, str]:
    """Name -> digest; the index of the log in shared memory changes with every reader."""
    found = (path for path in folder.iterdir() if not path.name.endswith("-shm"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _whole(path: Path) -> None:
    with closing(SqliteLedger(path)) as ledger:
        for event in (_start(), _plan(), *WHOLE_SESSION):
            ledger.record(event)


def test_a_ledger_that_a_killed_process_left_is_read_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False, env={**os.environ, "PYTHONPATH": "."})
    before = _files(tmp_path)
    assert before.keys() == {"ledger.sqlite", "ledger.sqlite-wal"}
    for _ in range(2):
        with ledger_for_reading(path) as ledger:
            assert [one.key for one in ledger.sessions()] == ["run/s01a1"]
        assert _files(tmp_path) == before
    with closing(SqliteLedger(path)) as writer:
        writer.record(WHOLE_SESSION[0])  # the next command continues from it
        assert writer.rebuild()


@pytest.mark.parametrize("name", ["plain", "50% #1 ?mode=rwc&é", "a b"])
def test_reading_leaves_no_file_beside_the_ledger(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "ledger.sqlite"
    _whole(path)
    before = {found.name: found.read_bytes() for found in path.parent.iterdir()}
    with ledger_for_reading(path) as ledger:
        assert len(ledger.sessions()) == len(ledger.runs()) == 1
        with pytest.raises(StorageFault):
            ledger.record(_plan(2))
    assert (
        {found.name: found.read_bytes() for found in path.parent.iterdir()} == before == {path.name: before[path.name]}
    )


def test_what_a_program_writes_meanwhile_is_read_and_stays_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with ledger_for_reading(path) as ledger:
        with closing(SqliteLedger(path)) as writer:
            writer.record(_plan(2))
        assert len(ledger.sessions()) == 2
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    with ledger_for_reading(path) as ledger:
        assert len(ledger.sessions()) == 2


def test_the_checks_of_the_whole_file_run_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, checked = tmp_path / "ledger.sqlite", list[str]()
    _whole(path)
    for name in ("_require_whole_file", "_require_agreement"):
        monkeypatch.setattr(reading._ReadOnly, name, lambda self, name=name: checked.append(name))
    for _ in range(3):
        with ledger_for_reading(path):
            pass
    assert checked == ["_require_whole_file", "_require_agreement"]
    with closing(SqliteLedger(path)) as ledger:
        ledger.record(_plan(2))
    with ledger_for_reading(path):
        pass
    assert len(checked) == 4


def test_a_ledger_that_is_damaged_between_two_readings_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with ledger_for_reading(path) as ledger:
        assert ledger.sessions()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(BadInput, match="is not a readable ledger"), ledger_for_reading(path) as ledger:
        ledger.sessions()


def test_a_page_that_is_damaged_while_the_ledger_is_open_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with ledger_for_reading(path) as ledger:
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        ledger.connection.execute("PRAGMA cache_size=1")
        for read in (ledger.sessions, ledger.runs, ledger.events, ledger.last_event):
            with pytest.raises(BadInput, match="is not a readable ledger"):
                read()


@pytest.mark.parametrize("lost", ["INDEX sessions_open", "INDEX runs_of_lineage", "TABLE runs"])
def test_a_ledger_that_lacks_a_table_or_an_index_is_read_from_a_copy(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with closing(SqliteLedger(path)) as ledger:
        ledger.connection.execute(f"DROP {lost}")
    before = path.read_bytes()
    with ledger_for_reading(path) as read:
        assert len(read.sessions()) == 1 and read.open_sessions() == []
    assert path.read_bytes() == before and [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_damaged_ledger_that_is_read_from_a_copy_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with closing(sqlite3.connect(path)) as damaged:
        damaged.execute("DROP TABLE events")
    with pytest.raises(BadInput) as found, ledger_for_reading(path) as ledger:
        ledger.sessions()
    assert str(found.value).startswith(f"{path} is not a readable ledger: ")


def test_a_ledger_of_a_newer_version_is_not_to_be_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("UPDATE sessions SET row = json_set(row, '$.later', 1)")
        newer.commit()
    with pytest.raises(BadInput, match="later is unknown") as found, ledger_for_reading(path) as ledger:
        ledger.sessions()
    assert found.value.remedy == "A newer version of this program wrote it: use that version for this project."


@pytest.mark.parametrize("version", [None, *EARLIER])
def test_a_folder_that_sqlite_cannot_write_is_read_from_a_copy(
    tmp_path: Path, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    _whole(path)
    with closing(SqliteLedger(path)) as ledger:
        for statement in EARLIER[version] if version else ():
            ledger.connection.execute(statement)
    # SQLite cannot make a file where a folder is: as in a folder that may not be written, but also for root.
    (tmp_path / "ledger.sqlite-wal").mkdir()
    before = path.read_bytes()
    with ledger_for_reading(path) as read:
        assert len(read.sessions()) == 1
    assert path.read_bytes() == before
