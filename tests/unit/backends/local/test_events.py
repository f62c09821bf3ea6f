"""Logs and outputs of any size and kind: read in bounded memory, and never without an end."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from orchestrator.backends.local.members import copy_session
from orchestrator.backends.local.sandbox import Sandbox
from orchestrator.core.session.missing_outputs import MissingFile
from orchestrator.kernel.files import outputs
from orchestrator.kernel.files.outputs import LEFT_OUT, MOST_LINE_BYTES, copy_log, log_lines, recent_events

posix = pytest.mark.skipif(os.name == "nt", reason="pipes, devices, and links without a privilege")
LINE = b"[ORC] a line of a log\n"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    sandbox = Sandbox(root=tmp_path / "slug")
    sandbox.working.mkdir(parents=True)
    return sandbox


def copied(sandbox: Sandbox, into: Path, member: int | None = None) -> list[str]:
    """Copy the outputs; returns what could not be copied."""
    return [str(one) for one in copy_session(sandbox, member, into)]


def peak_bytes(act: object) -> int:
    tracemalloc.start()
    try:
        assert callable(act)
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_log_is_followed_and_copied_in_bounded_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    count = 400_000
    sandbox.log.write_bytes(LINE * count)
    seen: list[int] = []
    assert peak_bytes(lambda: seen.append(sum(1 for _ in log_lines(sandbox.log, 0)))) < 12 << 20
    assert seen == [count]
    assert peak_bytes(lambda: copied(sandbox, tmp_path / "out")) < 12 << 20
    assert (tmp_path / "out/kernel.log").stat().st_size == count * len(LINE)


def test_a_log_without_line_ends_is_read_in_parts(sandbox: Sandbox) -> None:
    sandbox.log.write_bytes(b"x" * (2 * MOST_LINE_BYTES) + b"end\nopen")
    parts = list(log_lines(sandbox.log, 0))
    assert [len(text) for text, _ in parts] == [MOST_LINE_BYTES, MOST_LINE_BYTES, 3]
    assert [text for text, _ in log_lines(sandbox.log, parts[1][1])] == ["end"]
    assert [text for text, _ in log_lines(sandbox.log, parts[2][1], ended=True)] == ["open"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_lines_and_cursors_do_not_depend_on_the_chunks(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(outputs, "CHUNK_BYTES", chunk)
    sandbox.log.write_bytes("é\r\n\nzwei\n\xff".encode("latin-1"))
    assert list(log_lines(sandbox.log, 0)) == [("\ufffd", 3), ("", 4), ("zwei", 9)]
    assert list(log_lines(sandbox.log, 4)) == [("zwei", 9)]


def test_of_an_endless_log_the_end_is_copied(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MOST_LOG_BYTES", 10)
    sandbox.log.write_bytes(b"0123456789abcdef")
    assert copy_log(sandbox.log, tmp_path / "copy")
    expected = LEFT_OUT.format(count=6, path=sandbox.log) + "6789abcdef"
    assert (tmp_path / "copy").read_text(encoding="utf-8") == expected


@posix
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "broken link", "absent"])
@pytest.mark.parametrize("member", [None, 1])
def test_a_log_that_is_no_file_is_none(sandbox: Sandbox, tmp_path: Path, kind: str, member: int | None) -> None:
    if kind == "pipe":
        os.mkfifo(sandbox.log)
    elif kind == "folder":
        sandbox.log.mkdir()
    elif kind != "absent":
        sandbox.log.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    assert list(log_lines(sandbox.log, 0)) == [] and recent_events(sandbox.log) == ()
    assert copied(sandbox, tmp_path / "out", member) == []
    assert not (tmp_path / "out/kernel.log").exists()


@posix
def test_an_output_with_the_name_of_the_log_does_not_replace_it(sandbox: Sandbox, tmp_path: Path) -> None:
    (sandbox.working / "kernel.log/inner").mkdir(parents=True)
    (sandbox.working / "device").symlink_to("/dev/zero")
    sandbox.log.write_bytes(LINE)
    assert copied(sandbox, tmp_path / "out") == [
        "device is a broken link or no regular file: not copied",
        "kernel.log has the name of the session's log: not copied",
    ]
    assert (tmp_path / "out/kernel.log").read_bytes() == LINE


def test_a_folder_that_may_not_be_listed_is_named(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sandbox.working / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    missing = copy_session(sandbox, None, tmp_path / "out")
    assert [type(one) for one in missing] == [MissingFile]
    assert str(missing[0]) == "closed may not be read: its permissions forbid it"


def test_a_log_that_may_not_be_read_is_named(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.log.write_bytes(LINE)
    (sandbox.working / "a").write_text("a", encoding="utf-8")
    real = os.open

    def refuse(path: object, *words: int, **named: object) -> int:
        if path == sandbox.log:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *words, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert copied(sandbox, tmp_path / "out") == ["kernel.log may not be read: its permissions forbid it"]
    assert (tmp_path / "out/a").is_file()
