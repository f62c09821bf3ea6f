"""Files, folders and streams that cannot be used: one line of cause and one of remedy, never exit code 3."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.kaggle.client.credentials import candidates
from orchestrator.cli.commands.render import _listing
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.main import main
from orchestrator.cli.output.standard_output import encodable, open_closed_streams
from orchestrator.core.diagnostics.storage import file_fault, long_path_fault
from orchestrator.core.errors import RemoteUnavailable, StorageFault
from orchestrator.core.session.slug import longest_inner_chars
from orchestrator.kernel.files.storage import WINDOWS_PATH_CHARS
from orchestrator.stores import project as project_room
from orchestrator.stores.project import require_unmoved
from tests.conftest import PROJECT_ROOT


def os_error(number: int, name: str = "/data/x") -> OSError:
    return OSError(number, os.strerror(number), name)


def windows_error(number: int, name: str) -> OSError:
    fault = OSError(errno.ENOENT, "The system cannot find the path specified", name)
    fault.winerror = number  # type: ignore[attr-defined]  # Windows sets it
    return fault


FAULTS = [
    (os_error(errno.ENAMETOOLONG), "the path is too long for this system: /data/x"),
    (windows_error(206, "C:/x"), "the path is too long for this system: C:/x"),
    (windows_error(3, "C:/" + "x" * 300), "the path is too long for this system: C:/xxx"),
    (windows_error(3, "C:/x"), "a file or folder is not there: C:/x"),
    (os_error(errno.ELOOP), "a link leads back to itself: /data/x"),
    (os_error(errno.ENOENT), "a file or folder is not there: /data/x"),
    (os_error(errno.ESTALE), "a file or folder is not there: /data/x"),
    (os_error(errno.EEXIST), "something else has the name of a file or folder that is needed: /data/x"),
    (os_error(errno.EISDIR), "something else has the name of a file or folder that is needed: /data/x"),
    (os_error(errno.ENOTDIR), "something else has the name of a file or folder that is needed: /data/x"),
    (os_error(errno.EILSEQ), "this system does not allow the name: /data/x"),
    (os_error(errno.EBUSY), "Device or resource busy: /data/x"),
    (os_error(errno.EIO), "the disk could not be read or written: /data/x"),
    (sqlite3.OperationalError("database is locked"), "ledger.sqlite cannot be used: database is locked"),
    (sqlite3.DatabaseError("malformed"), "ledger.sqlite is not a readable ledger: malformed"),
]


@pytest.mark.parametrize(("fault", "cause"), FAULTS, ids=[cause[:40] for _, cause in FAULTS])
@pytest.mark.parametrize("wrapped", [False, True])
def test_each_has_a_cause_and_a_remedy(
    fault: Exception, cause: str, wrapped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        if wrapped and not isinstance(fault, sqlite3.Error):
            raise RuntimeError("x") from fault
        raise fault

    assert run_command(fail) == (1 if "locked" in cause else 2)
    printed = capsys.readouterr().err
    assert cause in printed and len(printed.splitlines()) == 2


def test_an_error_without_a_file_is_still_a_bug_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert file_fault(OSError(errno.ECONNRESET, "reset")) is None
    assert file_fault(ValueError("x")) is None


@pytest.fixture
def deleted_folder(tmp_path: Path) -> Iterator[None]:
    before, gone = Path.cwd(), tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    yield
    os.chdir(before)


@pytest.mark.parametrize("words", [["status"], ["why"], ["init", "x"], ["campaign", "plan", "smoke"]])
@pytest.mark.parametrize("named", [True, False])
def test_a_deleted_current_folder_is_named(
    deleted_folder: None,
    words: list[str],
    named: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if named:
        monkeypatch.setenv("ORCHESTRATOR_ROOT", str(PROJECT_ROOT))
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Error: the current folder cannot be used: No such file or directory\n")
    assert "go to the project's folder, then run the same command again" in printed
    assert main(["--version"]) == 0


@pytest.mark.parametrize(
    ("root", "cause"),
    [
        ("loop", "a link leads back to itself"),
        ("x" * 300, "which has no configs/sections folder"),
        ("x/" * 3000, "which has no configs/sections folder"),
        ("absent", "which has no configs/sections folder"),
    ],
)
def test_a_variable_that_names_no_usable_folder_is_named(
    tmp_path: Path, root: str, cause: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path / root))
    assert main(["status"]) == 2
    assert cause in capsys.readouterr().err


def test_closed_streams_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    open_closed_streams()
    assert sys.stdout.write("x") == 1 and sys.stderr.write("x") == 1
    assert sys.stdout.encoding == "utf-8"
    sys.stdout.close()
    sys.stderr.close()


def test_without_a_home_folder_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert candidates(environ={}) == []
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(PROJECT_ROOT))
    assert main(["config", "show"]) == 0


def test_a_binary_file_of_credentials_is_named(tmp_path: Path) -> None:
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle/kaggle.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RemoteUnavailable, match=r"kaggle\.json cannot be read: "):
        candidates(environ={}, home=tmp_path)


def test_a_terminal_gets_no_sequences_of_names_and_logs() -> None:
    assert encodable("a\x1b[31mb\r\u202e\x07", "utf-8") == r"a\x1b[31mb\r\u202e\x07"
    assert encodable("tab\tline\nend é ✓", "utf-8") == "tab\tline\nend é ✓"
    assert encodable("\udcff", "utf-8") == r"\udcff"
    assert encodable("répertoire ✓ 表", "cp1252") == "répertoire + ?"
    assert _listing({"a\x1bb.json": b"1"}).splitlines()[0] == r"1  a\x1bb.json"


def test_a_project_with_a_long_path_is_refused_where_paths_have_a_limit() -> None:
    inner = longest_inner_chars("section_7_6", "section_7_6_rl_performance", "traffic_light_control")
    assert inner == 205
    assert long_path_fault("C:/" + "x" * 500, inner, None) is None
    assert long_path_fault("C:/" + "x" * 50, inner, WINDOWS_PATH_CHARS) is None
    fault = long_path_fault("C:/" + "x" * 51, inner, WINDOWS_PATH_CHARS)
    assert fault is not None and "has 54 characters, and Windows leaves 53 for the project's folder" in str(fault)
    assert "enable long paths in Windows" in fault.remedy and fault.exit_code == 2


def test_a_moved_project_is_noticed_also_if_a_folder_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "project" / ".orchestrator"
    folder.mkdir(parents=True)
    require = require_unmoved(folder)
    require()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageFault, match="the project was moved or deleted while this command ran"):
        require()
    folder.mkdir()  # by the session
    with pytest.raises(StorageFault, match="the project was moved or deleted") as fault:
        require()
    assert "finds the session there, and nothing is lost" in fault.value.remedy and fault.value.exit_code == 2


def test_another_folder_in_the_place_of_the_project_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "project" / ".orchestrator"
    folder.mkdir(parents=True)
    (folder / "ledger.sqlite").write_bytes(b"")
    require = require_unmoved(folder)
    shutil.copytree(folder, tmp_path / "backup")
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)  # equal content, but what this command holds open is deleted
    with pytest.raises(StorageFault, match="the project was moved or deleted"):
        require()


@pytest.mark.parametrize("remounted", [False, True])
def test_new_numbers_of_inodes_are_no_move(remounted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As file systems in user space, network disks and a remount give them to a folder."""
    folder = tmp_path / ".orchestrator"
    folder.mkdir()
    (folder / "ledger.sqlite").write_bytes(b"")
    numbers = itertools.count()
    monkeypatch.setattr(project_room, "_identity", lambda path: (1, next(numbers)) if path.is_dir() else None)
    require, real_open = require_unmoved(folder), os.open

    def stale(path: Any, *rest: Any, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            raise OSError(errno.ESTALE, "Stale file handle")
        return real_open(path, *rest)

    if remounted:
        monkeypatch.setattr(os, "open", stale)
    require()
    require()
    assert [path.name for path in folder.iterdir()] == ["ledger.sqlite"]
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    with pytest.raises(StorageFault, match="the project was moved or deleted"):
        require()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_no_handle_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        require_unmoved(tmp_path)()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
