"""What the driver stores while its storage fails, and that an index never names what is not there."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from orchestrator.backends.ray import driver

PLAN = {
    "nonce": "n",
    "mark": "begins here.",
    "inputs": [],
    "has_folders": True,
    "root_variable": "ROOT",
    "reserve": ".reserve",
    "unfinished": ".partial-",
    "sync_s": 0.03,
    "patience_s": 5.0,
}
WRITES = """
import pathlib
for number in range(5):
    pathlib.Path(f"{number}.zip").write_text(str(number))
    pathlib.Path("log.csv").write_text("x" * number)
    if number > 1:
        pathlib.Path(f"{number - 2}.zip").unlink()
"""


class Faulty:
    """A file system on which every n-th write fails, and which looks at each index that is written."""

    def __init__(self, every: int) -> None:
        self.fs = fsspec.filesystem("file")
        self.every, self.count, self.failed = every, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fs, name)

    def pipe_file(self, path: str, content: bytes) -> None:
        self.count += 1
        if self.every and self.count > 1 and self.count % self.every == 0:
            self.failed += 1
            raise OSError("the storage is away")
        self.fs.pipe_file(path, content)

    def rm_file(self, path: str) -> None:
        self.fs.rm_file(path)
        complete(Path(path).parents[1])


def newest(start: Path) -> dict[str, Any]:
    plain = [json.loads(path.read_text()) for path in start.glob("index-*.json")]
    return max(plain, key=lambda index: int(index["number"]))


def complete(start: Path) -> dict[str, Any]:
    """The newest index; everything that it names is there."""
    index = newest(start)
    for entry in index["files"]:
        assert (start / "objects" / entry["sha256"]).stat().st_size == entry["size_bytes"], entry
    return index


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(tmp_path: Path, script: str, every: int = 0) -> tuple[int, Path, Faulty]:
    root = tmp_path / "session"
    root.mkdir()
    (root / "kernel.py").write_text(script)
    fs = Faulty(every)
    plan = {**PLAN, "kernel_sha256": driver._sha256(root / "kernel.py")}
    code = driver.main(fs, str(root), plan)
    (start,) = (root / "starts").iterdir()
    return code, start, fs


@pytest.mark.parametrize("every", [0, 2, 3, 4])
def test_every_output_is_stored_although_the_storage_fails(tmp_path: Path, every: int) -> None:
    code, start, fs = run(tmp_path, WRITES, every)
    index = complete(start)
    assert code == 0 and index["ended"] and index["exit_code"] == 0
    assert [entry["path"] for entry in index["files"]] == ["3.zip", "4.zip", "log.csv"]
    assert (fs.failed > 0) is (every > 0)
    named = {entry["sha256"] for entry in [*index["files"], index["log"]]}
    assert {path.name for path in (start / "objects").iterdir()} == named  # nothing old is left


def test_the_exit_code_of_a_killed_kernel_is_that_of_a_shell(tmp_path: Path) -> None:
    code, start, _ = run(
        tmp_path, "import os, signal; print('dying', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert code == newest(start)["exit_code"] == 137
    (log,) = [path for path in (start / "objects").iterdir()]
    assert log.read_text() == "dying\n"


def test_a_kernel_that_does_not_leave_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAN, "patience_s", 0.1)
    monkeypatch.setattr(driver, "_CANCEL_EVERY_S", 0.0)
    stubborn = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'session' / 'cancel')!r}).touch()\nwhile True: time.sleep(0.02)\n"
    )
    code, start, _ = run(tmp_path, stubborn)
    assert code == 137 and newest(start)["asked"]


def test_links_are_stored_as_what_they_lead_to(tmp_path: Path) -> None:
    script = (
        "import os, pathlib\npathlib.Path('plain').write_text('x')\nos.symlink('plain', 'link')\n"
        "pathlib.Path('folder').mkdir()\nos.symlink('folder', 'inside')\nos.symlink('/tmp', 'outside')\n"
        "os.mkfifo('pipe')\nopen(b'\\xff', 'w').close()\n"
    )
    _, start, _ = run(tmp_path, script)
    index = complete(start)
    assert [entry["path"] for entry in index["files"]] == ["link", "plain"]
    assert sorted(path for path, _ in index["left"]) == ["\\udcff", "outside", "pipe"]


def test_a_large_file_is_stored_without_reading_it_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_WHOLE_BYTES", 10)
    _, start, _ = run(tmp_path, "import pathlib; pathlib.Path('large').write_bytes(bytes(1000))")
    assert [entry["size_bytes"] for entry in complete(start)["files"]] == [1000]


def test_the_folder_on_the_node_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "node"))
    run(tmp_path, "print()")
    assert list((tmp_path / "node").iterdir()) == []
