"""Replacing the models directory: interrupted anywhere, it ends with the complete old or the complete new set."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint import atomic_swap as swap_room
from orchestrator.stores.checkpoint import entries as entries_room
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from tests.unit.kernel.makers import SCENARIO, save


def _incoming(root: Path, steps: int, *, best: bytes | None = None) -> FetchedCheckpoints:
    save(root, steps)
    if best is not None:
        (root / "best_model").mkdir()
        (root / "best_model/best_model.zip").write_bytes(best)
    entries = tuple(file_entry(path, root) for path in sorted(root.rglob("*")) if path.is_file())
    return FetchedCheckpoints(root=root, verified=survey_checkpoints(root, SCENARIO).verified, entries=entries)


@pytest.fixture
def models(tmp_path: Path) -> ModelsDirectory:
    return ModelsDirectory(tmp_path / "data" / "models", SCENARIO)


def test_the_old_set_stays_in_the_archive_until_it_is_discarded(models: ModelsDirectory, tmp_path: Path) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10), "first")
    models.replace_with(_incoming(tmp_path / "two", 20), "second")
    assert [card.steps for card in models.view().verified] == [20]
    assert survey_checkpoints(tmp_path / "data/archive/second", SCENARIO).latest is not None
    models.discard_archive("second")
    assert not (tmp_path / "data/archive/second").exists()


def test_a_restore_without_a_best_model_keeps_the_existing_one(models: ModelsDirectory, tmp_path: Path) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10, best=b"best"), "first")
    models.replace_with(_incoming(tmp_path / "two", 20), "second")
    assert (tmp_path / "data/models/best_model/best_model.zip").read_bytes() == b"best"


def test_a_damaged_copy_is_refused_and_changes_nothing(models: ModelsDirectory, tmp_path: Path) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10), "first")
    good = _incoming(tmp_path / "two", 20)
    wrong = FileEntry(path=good.entries[0].path, size_bytes=good.entries[0].size_bytes, sha256="0" * 64)
    bad = FetchedCheckpoints(root=good.root, verified=good.verified, entries=(wrong, *good.entries[1:]))
    with pytest.raises(RunFailed, match="restore refused"):
        models.replace_with(bad, "second")
    assert models.view().steps == 10


class _PowerCut(BaseException):
    pass


def _operations_of_a_restore(monkeypatch: pytest.MonkeyPatch, cut_at: int) -> list[str]:
    """Record every rename, copy, unlink and journal write of a restore; the power fails before the `cut_at`-th."""
    operations: list[str] = []

    def counted(name: str, real: Any) -> Any:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if len(operations) == cut_at:
                raise _PowerCut
            operations.append(name)
            return real(*args, **kwargs)

        return operation

    monkeypatch.setattr(entries_room, "_copy", counted("copy", entries_room._copy))
    monkeypatch.setattr(swap_room, "write_json", counted("journal", swap_room.write_json))
    monkeypatch.setattr(swap_room.os, "replace", counted("rename", os.replace))
    monkeypatch.setattr(Path, "unlink", counted("unlink", Path.unlink))
    return operations


def test_a_power_cut_before_any_operation_leaves_a_complete_set(tmp_path: Path) -> None:
    seen: set[int] = set()
    for cut_at in range(60):
        place = tmp_path / str(cut_at)
        models = ModelsDirectory(place / "data" / "models", SCENARIO)
        models.replace_with(_incoming(place / "one", 10, best=b"best"), "first")
        models.discard_archive("first")
        incoming = _incoming(place / "two", 20)
        with pytest.MonkeyPatch.context() as monkeypatch:
            operations = _operations_of_a_restore(monkeypatch, cut_at)
            try:
                models.replace_with(incoming, "second")
                finished = True
            except _PowerCut:
                finished = False
        reopened = ModelsDirectory(place / "data" / "models", SCENARIO)
        reopened.recover()
        view = reopened.view()
        seen.add(view.steps)
        assert view.steps in (10, 20), f"cut before operation {cut_at}: {operations}"
        assert not view.faults
        assert (view.root / "best_model/best_model.zip").read_bytes() == b"best"
        assert not list((place / "data").glob(".incoming-*"))
        assert not (place / "data/restore_journal.json").exists()
        if finished:
            break
        shutil.rmtree(place)
    assert finished
    assert seen == {10, 20}


def test_a_second_run_cannot_lock_the_same_directory(models: ModelsDirectory, tmp_path: Path) -> None:
    with (
        models.locked(),
        pytest.raises(BadInput, match="another run"),
        ModelsDirectory(tmp_path / "data/models", SCENARIO).locked(),
    ):
        pytest.fail("two runs hold one directory")


def test_a_view_creates_no_file(models: ModelsDirectory, tmp_path: Path) -> None:
    assert models.view().steps == 0
    assert list(tmp_path.iterdir()) == []


def test_a_directory_counts_as_unchanged_only_if_that_is_certain(
    models: ModelsDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10), "first")
    assert not models.unchanged(models.view()), "a file just written could be written again at the same time"
    monkeypatch.setattr("orchestrator.stores.checkpoint.own_files._TIME_STEP_NS", 0)
    before = models.view()
    assert models.unchanged(before)
    model = next((tmp_path / "data/models/checkpoints").glob("*.zip"))
    times = model.stat().st_atime_ns, model.stat().st_mtime_ns
    model.write_bytes(b"x" * model.stat().st_size)
    os.utime(model, ns=times)  # same size, same time of modification
    assert not models.unchanged(before)
    before = models.view()
    (tmp_path / "data/models/mine.txt").write_text("own", encoding="utf-8")
    assert not models.unchanged(before)
    before = models.view()
    shutil.rmtree(tmp_path / "data/models")
    assert not models.unchanged(before)
    before = models.view()
    assert models.unchanged(before) and not before.exists
    (tmp_path / "data/models").mkdir()
    assert not models.unchanged(before)


@pytest.mark.parametrize(("read_after_s", "certain"), [(0.0, False), (1.9, False), (3.0, True)])
def test_a_file_as_young_as_a_step_of_its_time_may_have_changed_unseen(
    models: ModelsDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_after_s: float, certain: bool
) -> None:
    save(tmp_path / "data/models", 10)
    now_ns = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now_ns + int(read_after_s * 1e9))
    assert models.unchanged(models.view()) == certain


def test_a_checkpoint_rewritten_with_its_size_and_time_is_read_again(models: ModelsDirectory, tmp_path: Path) -> None:
    save(tmp_path / "data/models", 10)
    before = models.view()
    (path,) = (tmp_path / "data/models/checkpoints").glob("*.zip")
    stat, text = path.stat(), path.read_bytes()
    path.write_bytes(text[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not models.unchanged(before)
    assert models.view().verified == ()
