"""Replacing the models directory: cut off anywhere, it ends with the old set or with the new one, whole."""

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
from orchestrator.stores.checkpoint import models_dir as models_dir_room
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


def test_the_new_set_stands_in_place_and_the_old_one_until_it_is_recorded(
    models: ModelsDirectory, tmp_path: Path
) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10), "first")
    models.replace_with(_incoming(tmp_path / "two", 20), "second")
    assert [card.steps for card in models.view().verified] == [20]
    assert survey_checkpoints(tmp_path / "data/archive/second", SCENARIO).latest is not None
    models.discard_archive("second")
    assert not (tmp_path / "data/archive/second").exists()


def test_the_best_model_is_never_lost(models: ModelsDirectory, tmp_path: Path) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10, best=b"best"), "first")
    models.replace_with(_incoming(tmp_path / "two", 20), "second")
    assert (tmp_path / "data/models/best_model/best_model.zip").read_bytes() == b"best"


def test_a_copy_that_went_wrong_changes_nothing(models: ModelsDirectory, tmp_path: Path) -> None:
    models.replace_with(_incoming(tmp_path / "one", 10), "first")
    good = _incoming(tmp_path / "two", 20)
    wrong = FileEntry(path=good.entries[0].path, size_bytes=good.entries[0].size_bytes, sha256="0" * 64)
    bad = FetchedCheckpoints(root=good.root, verified=good.verified, entries=(wrong, *good.entries[1:]))
    with pytest.raises(RunFailed, match="restore refused"):
        models.replace_with(bad, "second")
    assert models.view().steps == 10


class _PowerCut(BaseException):
    pass


def _acts_of_a_restore(monkeypatch: pytest.MonkeyPatch, cut_at: int) -> list[str]:
    """Count every rename, copy and journal write of a restore; the power fails before the `cut_at`th."""
    acts: list[str] = []

    def counted(name: str, real: Any) -> Any:
        def act(*args: Any, **kwargs: Any) -> Any:
            if len(acts) == cut_at:
                raise _PowerCut
            acts.append(name)
            return real(*args, **kwargs)

        return act

    monkeypatch.setattr(models_dir_room, "_copy", counted("copy", models_dir_room._copy))
    monkeypatch.setattr(swap_room, "write_json", counted("journal", swap_room.write_json))
    monkeypatch.setattr(swap_room.os, "replace", counted("rename", os.replace))
    monkeypatch.setattr(Path, "unlink", counted("unlink", Path.unlink))
    return acts


def test_a_power_cut_at_any_instant_is_survived(tmp_path: Path) -> None:
    seen: set[int] = set()
    for cut_at in range(60):
        place = tmp_path / str(cut_at)
        models = ModelsDirectory(place / "data" / "models", SCENARIO)
        models.replace_with(_incoming(place / "one", 10, best=b"best"), "first")
        models.discard_archive("first")
        incoming = _incoming(place / "two", 20)
        with pytest.MonkeyPatch.context() as monkeypatch:
            acts = _acts_of_a_restore(monkeypatch, cut_at)
            try:
                models.replace_with(incoming, "second")
                finished = True
            except _PowerCut:
                finished = False
        again = ModelsDirectory(place / "data" / "models", SCENARIO)
        again.recover()
        view = again.view()
        seen.add(view.steps)
        assert view.steps in (10, 20), f"cut before act {cut_at}: {acts}"
        assert not view.faults
        assert (view.root / "best_model/best_model.zip").read_bytes() == b"best"
        assert not list((place / "data").glob(".incoming-*"))
        assert not (place / "data/restore_journal.json").exists()
        if finished:
            break
        shutil.rmtree(place)
    assert finished
    assert seen == {10, 20}


def test_a_second_run_cannot_take_the_same_directory(models: ModelsDirectory, tmp_path: Path) -> None:
    with (
        models.locked(),
        pytest.raises(BadInput, match="another run"),
        ModelsDirectory(tmp_path / "data/models", SCENARIO).locked(),
    ):
        pytest.fail("two runs hold one directory")


def test_looking_creates_nothing(models: ModelsDirectory, tmp_path: Path) -> None:
    assert models.view().steps == 0
    assert list(tmp_path.iterdir()) == []


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
