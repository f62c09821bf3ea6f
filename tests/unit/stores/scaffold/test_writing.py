"""The files of a new project: complete, never over an existing one, and none after a failure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.scaffold import writing
from orchestrator.stores.scaffold.writing import conflicts, write_new

FILES = {"a/b/one.txt": b"one", "two.txt": b"two", "a/three.txt": b"three"}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_files_are_written_below_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    folder = tmp_path / "new/project"
    assert write_new(folder, FILES) == list(FILES)
    assert _contents(folder) == FILES


def test_an_existing_file_stays_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("mine")
    assert conflicts(tmp_path, FILES) == ["two.txt"]
    with pytest.raises(BadInput, match=r"two\.txt exists"):
        write_new(tmp_path, FILES)
    assert _contents(tmp_path) == {"two.txt": b"mine"} and not (tmp_path / "a").exists()


def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(BadInput, match="a exists"):
        write_new(tmp_path, FILES)
    assert _contents(tmp_path) == {"a": b"mine"}


def test_after_a_kill_the_same_call_completes(tmp_path: Path) -> None:
    write_new(tmp_path, dict(list(FILES.items())[:1]))
    (tmp_path / ".partial-two.txt").write_text("tw")
    assert conflicts(tmp_path, FILES) == []
    assert write_new(tmp_path, FILES) == ["two.txt", "a/three.txt"]
    assert _contents(tmp_path) == FILES


@pytest.mark.parametrize("number", range(len(FILES)))
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_a_failure_at_any_file_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: BaseException
) -> None:
    (tmp_path / "a").mkdir()
    create, calls = writing._create, []

    def failing(path: Path, content: bytes, made: list[Path]) -> None:
        calls.append(path)
        if len(calls) > number:
            path.with_name(f".partial-{path.name}").unlink(missing_ok=True)
            raise fault
        create(path, content, made)

    monkeypatch.setattr(writing, "_create", failing)
    with pytest.raises(type(fault)):
        write_new(tmp_path, FILES)
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]
