"""Each step of a change to the models directory, and what the next start does with an interrupted one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint import atomic_swap
from orchestrator.stores.checkpoint.atomic_swap import JOURNAL, begin, discard_staged, finish, recover_swap
from orchestrator.stores.checkpoint.restore_journal import FRESH, RESTORE, STAGE, Change
from tests.unit.kernel.makers import SCENARIO, save

NAME = "checkpoints/new.zip"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "data/models"
    (path / "checkpoints").mkdir(parents=True)
    return path


def staged(models: Path, name: str = NAME, content: bytes = b"new", folder: str = "s02") -> FileEntry:
    path = models.parent / f".incoming-{folder}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return file_entry(path, models.parent / f".incoming-{folder}")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recovered(models: Path, change: Change) -> str | None:
    begin(models, change)
    return recover_swap(models, SCENARIO)


def test_a_finished_restore_has_moved_its_files_and_archived_what_they_replace(models: Path) -> None:
    (models / NAME).write_bytes(b"mine")
    (models / "old.zip").write_bytes(b"old")
    (models / "kept.txt").write_bytes(b"kept")
    old = file_entry(models / "old.zip", models)
    change = Change(act=RESTORE, folder="s02", place=(staged(models),), retire=(old,))
    assert recovered(models, change) == "finished an interrupted restore"
    assert {name: text for name, text in tree(models).items() if name in (NAME, "kept.txt", "old.zip")} == {
        NAME: b"new",
        "kept.txt": b"kept",
    }
    archived = tree(models.parent / "archive/s02")
    assert (archived[NAME], archived["old.zip"]) == (b"mine", b"old")
    assert json.loads(archived["replaced_files.json"])["files"][0]["path"] == "old.zip"
    assert not (models.parent / JOURNAL).exists() and not list(models.parent.glob(".incoming-*"))
    assert recover_swap(models, SCENARIO) is None


def test_a_restore_that_retires_nothing_writes_no_list_of_replaced_files(models: Path) -> None:
    recovered(models, Change(act=RESTORE, folder="s02", place=(staged(models),)))
    assert (models / NAME).read_bytes() == b"new" and not (models.parent / "archive").exists()


def test_a_retired_file_that_is_placed_again_is_not_archived_twice(models: Path) -> None:
    (models / NAME).write_bytes(b"old")
    old = file_entry(models / NAME, models)
    recovered(models, Change(act=RESTORE, folder="s02", place=(staged(models),), retire=(old,)))
    assert (models / NAME).read_bytes() == b"new"
    assert tree(models.parent / "archive/s02")[NAME] == b"old"


def test_cards_are_put_in_place_last(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    real = atomic_swap.move

    def move(source: Path, target: Path) -> None:
        placed.append(target.name)
        real(source, target)

    monkeypatch.setattr(atomic_swap, "move", move)
    names = ("checkpoints/a.json", "checkpoints/b.zip", "checkpoints/c.json", "d.zip")
    change = Change(act=RESTORE, folder="s02", place=tuple(staged(models, name) for name in names))
    begin(models, change)
    finish(models, change, SCENARIO)
    assert placed == ["b.zip", "d.zip", "a.json", "c.json"]


def test_an_interrupted_copy_is_discarded_without_a_word(models: Path) -> None:
    (models / "kept.txt").write_bytes(b"kept")
    entry = staged(models)
    change = Change(act=STAGE, folder="s02", place=(entry, replace(entry, path="checkpoints/not_copied_yet.zip")))
    assert recovered(models, change) is None
    assert tree(models) == {"kept.txt": b"kept"} and not list(models.parent.glob(".incoming-*"))
    assert not (models.parent / JOURNAL).exists()


def test_only_the_staged_files_of_a_change_are_discarded(models: Path) -> None:
    entry = staged(models)
    staged(models, "mine.zip")
    discard_staged(models, Change(act=STAGE, folder="s02", place=(entry,)))
    assert tree(models.parent / ".incoming-s02") == {"mine.zip": b"new"}


def test_a_dangling_staged_link_is_discarded_too(models: Path) -> None:
    path = models.parent / ".incoming-s02" / NAME
    path.parent.mkdir(parents=True)
    path.symlink_to(models / "nowhere")
    discard_staged(models, Change(act=STAGE, folder="s02", place=(FileEntry(path=NAME, size_bytes=1, sha256=""),)))
    assert not list(models.parent.glob(".incoming-*"))


def test_a_file_in_the_place_of_a_folder_is_archived(models: Path) -> None:
    (models / "checkpoints").rmdir()
    (models / "checkpoints").write_bytes(b"mine")
    recovered(models, Change(act=RESTORE, folder="s02", place=(staged(models),)))
    assert (models / NAME).read_bytes() == b"new"
    assert (models.parent / "archive/s02/checkpoints").read_bytes() == b"mine"


def test_an_interrupted_fresh_start_moves_everything_to_the_archive(models: Path) -> None:
    (models / NAME).write_bytes(b"old")
    (models / "mine.txt").write_bytes(b"mine")
    assert "fresh start" in str(recovered(models, Change(act=FRESH, folder="f1")))
    assert list(models.iterdir()) == []
    assert tree(models.parent / "archive/f1") == {NAME: b"old", "mine.txt": b"mine"}


def test_a_fresh_start_without_a_models_directory_has_nothing_to_move(models: Path) -> None:
    (models / "checkpoints").rmdir()
    models.rmdir()
    assert "fresh start" in str(recovered(models, Change(act=FRESH, folder="f1")))
    assert not models.exists() and not (models.parent / "archive").exists()


def linked(path: Path, disk: Path) -> None:
    if path.is_dir():
        path.rmdir()
    disk.mkdir(parents=True, exist_ok=True)
    path.symlink_to(disk, target_is_directory=True)


def test_a_fresh_start_empties_a_linked_part_and_keeps_the_link(models: Path, tmp_path: Path) -> None:
    linked(models / "checkpoints", tmp_path / "disk")
    (models / "checkpoints/a.zip").write_bytes(b"a")
    (models / "checkpoints/.archive/s01").mkdir(parents=True)
    (models / "checkpoints/.archive/s01/b.zip").write_bytes(b"b")
    (models / "checkpoints/.incoming-mine").mkdir()
    (models / "mine.txt").write_bytes(b"mine")
    recovered(models, Change(act=FRESH, folder="f1"))
    assert (models / "checkpoints").is_symlink() and [one.name for one in models.iterdir()] == ["checkpoints"]
    disk = tree(tmp_path / "disk")
    assert disk == {".archive/f1/checkpoints/a.zip": b"a", ".archive/s01/b.zip": b"b"}
    assert tree(models.parent / "archive/f1") == {"mine.txt": b"mine"}


def test_a_fresh_start_in_a_linked_models_directory_stays_on_its_disk(models: Path, tmp_path: Path) -> None:
    (models / "checkpoints").rmdir()
    models.rmdir()
    linked(models, tmp_path / "big")
    for name in ("mine.txt", "!first.txt"):
        (models / name).write_bytes(b"mine")
    (models / ".archive/s01").mkdir(parents=True)
    (models / ".archive/s01/b.zip").write_bytes(b"b")
    recovered(models, Change(act=FRESH, folder="f1"))
    assert models.is_symlink()
    archived = {f".archive/f1/{name}": b"mine" for name in ("mine.txt", "!first.txt")}
    assert tree(tmp_path / "big") == {**archived, ".archive/s01/b.zip": b"b"}


def test_a_linked_part_whose_target_lay_in_the_directory_gets_an_empty_target_again(models: Path) -> None:
    (models / "checkpoints").rmdir()
    (models / "real/deep").mkdir(parents=True)
    (models / "real/deep/a.zip").write_bytes(b"a")
    (models / "checkpoints").symlink_to(models / "real/deep", target_is_directory=True)
    recovered(models, Change(act=FRESH, folder="f1"))
    assert (models / "checkpoints").is_dir()
    found = tree(models.parent) | tree(models.parent / "archive")
    assert b"a" in found.values()


def test_a_file_staged_beside_the_directory_by_an_earlier_version_is_put_on_a_linked_disk(
    models: Path, tmp_path: Path
) -> None:
    linked(models / "checkpoints", tmp_path / "disk")
    entry = staged(models)  # beside, not on the disk
    assert recovered(models, Change(act=RESTORE, folder="s02", place=(entry,))) == "finished an interrupted restore"
    assert (tmp_path / "disk/new.zip").read_bytes() == b"new" and not list(models.parent.glob(".incoming-*"))


def test_a_file_staged_on_a_linked_disk_is_preferred_to_one_beside_it(models: Path, tmp_path: Path) -> None:
    linked(models / "checkpoints", tmp_path / "disk")
    entry = staged(models, content=b"beside")
    inner = models / "checkpoints/.incoming-s02" / NAME
    inner.parent.mkdir(parents=True)
    inner.write_bytes(b"on the disk")
    begin(models, change := Change(act=RESTORE, folder="s02", place=(entry,)))
    finish(models, change, SCENARIO)
    assert (tmp_path / "disk/new.zip").read_bytes() == b"on the disk"


@pytest.mark.parametrize(
    "text", ["{", '{"a": 1}', '{"target": "../x", "staged": ".incoming-s02", "archive": "archive/s"}']
)
def test_a_journal_that_this_program_cannot_have_written_is_kept_aside(models: Path, text: str) -> None:
    (models.parent / JOURNAL).write_text(text, encoding="utf-8")
    staged(models)
    done = str(recover_swap(models, SCENARIO))
    assert "was not followed" in done
    archive = tree(models.parent / "archive/rejected-journal")
    assert archive == {JOURNAL: text.encode(), f"incoming-s02/{NAME}": b"new"}
    assert recover_swap(models, SCENARIO) is None
    (models.parent / JOURNAL).write_text(text, encoding="utf-8")
    recover_swap(models, SCENARIO)
    assert (models.parent / "archive/rejected-journal-2" / JOURNAL).is_file()


def test_with_a_rejected_journal_what_was_staged_on_a_linked_disk_stays_on_it(models: Path, tmp_path: Path) -> None:
    linked(models / "checkpoints", tmp_path / "disk")
    (models / "checkpoints/.incoming-s02").mkdir()
    (models / "checkpoints/.incoming-s02/x").write_bytes(b"x")
    (models.parent / JOURNAL).write_text("{", encoding="utf-8")
    recover_swap(models, SCENARIO)
    assert tree(tmp_path / "disk") == {".archive/incoming-s02/x": b"x"}


def test_a_dangling_journal_is_rejected_as_well(models: Path) -> None:
    (models.parent / JOURNAL).symlink_to(models / "nowhere")
    assert "was not followed" in str(recover_swap(models, SCENARIO))
    assert not (models.parent / JOURNAL).is_symlink()


EARLIER = {"target": "models", "staged": ".incoming-s02", "archive": "archive/s02"}


def earlier(models: Path, **change: Any) -> str | None:
    (models.parent / JOURNAL).write_text(json.dumps({**EARLIER, **change}), encoding="utf-8")
    return recover_swap(models, SCENARIO)


def test_an_earlier_swap_whose_files_are_in_place_is_over(models: Path) -> None:
    assert earlier(models) == "an interrupted restore had already put its files in place"
    assert not (models.parent / JOURNAL).exists()


def test_an_earlier_swap_retires_what_it_replaces_and_places_files_but_no_links(models: Path) -> None:
    card = save(models, 10)
    (models / "checkpoints/mine.zip").write_bytes(b"mine")
    incoming = models.parent / ".incoming-s02"
    save(incoming, 20)
    for suffix in (".zip", ".state.npz", ".json"):  # the same checkpoint again: it stays
        name = f"checkpoints/{card.stem}{suffix}"
        (incoming / name).write_bytes((models / name).read_bytes())
    (incoming / "linked.zip").symlink_to(models / "checkpoints/mine.zip")
    assert earlier(models) is not None and "finished" in str(recover_swap(models, SCENARIO) or "finished")
    names = {path.name for path in (models / "checkpoints").iterdir()}
    assert {"mine.zip", f"{card.stem}.zip", f"{SCENARIO}_checkpoint_20_steps.zip"} <= names
    assert not (models / "linked.zip").exists()
    replaced = models.parent / "archive/s02/replaced_files.json"
    assert not replaced.exists() or card.stem not in replaced.read_text("utf-8")


def test_an_earlier_swap_retires_a_checkpoint_that_it_does_not_bring(models: Path) -> None:
    card = save(models, 10)
    save(models.parent / ".incoming-s02", 20)
    assert earlier(models) == "finished an interrupted restore"
    assert not (models / f"checkpoints/{card.stem}.zip").exists()
    assert (models.parent / f"archive/s02/checkpoints/{card.stem}.zip").is_file()


def test_an_earlier_swap_moves_a_linked_directory_back_only_if_nothing_is_in_its_place(
    models: Path, tmp_path: Path
) -> None:
    (models.parent / "archive").mkdir()
    (tmp_path / "disk").mkdir()
    (models.parent / "archive/s02").symlink_to(tmp_path / "disk", target_is_directory=True)
    save(models.parent / ".incoming-s02", 20)
    earlier(models)
    assert not models.is_symlink() and (models.parent / "archive/s02").is_symlink()


def test_an_earlier_swap_after_its_first_rename_leaves_the_old_directory_in_the_archive(models: Path) -> None:
    (models / "checkpoints/mine.zip").write_bytes(b"mine")
    (models.parent / "archive").mkdir()
    models.rename(models.parent / "archive/s02")
    save(models.parent / ".incoming-s02", 20)
    assert earlier(models) == "finished an interrupted restore"
    assert (models.parent / "archive/s02/checkpoints/mine.zip").read_bytes() == b"mine"
    assert not (models / "checkpoints/mine.zip").exists() and (models / "checkpoints").is_dir()


def test_an_earlier_swap_of_a_linked_directory_puts_the_link_back(models: Path, tmp_path: Path) -> None:
    (models / "checkpoints").rmdir()
    models.rmdir()
    (tmp_path / "disk").mkdir()
    (models.parent / "archive").mkdir()
    (models.parent / "archive/s02").symlink_to(tmp_path / "disk", target_is_directory=True)
    save(models.parent / ".incoming-s02", 20)
    earlier(models)
    assert models.is_symlink() and list((tmp_path / "disk/checkpoints").glob("*_20_steps.zip"))


def test_several_unfinished_copies_are_kept_under_free_names(models: Path) -> None:
    for number in range(2):
        staged(models, content=bytes([number]), folder="s02")
        done = str(recover_swap(models, SCENARIO))
        assert done.startswith("moved an unfinished copy of an earlier version to the archive: ")
    assert {path.name for path in (models.parent / "archive").iterdir()} == {"incoming-s02", "incoming-s02-2"}
    staged(models, folder="a")
    staged(models, folder="b")
    assert str(recover_swap(models, SCENARIO)).count("; ") == 1


def test_folders_are_flushed_to_the_disk_after_a_change(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(atomic_swap, "sync_folder", flushed.append)
    change = Change(act=RESTORE, folder="s02", place=(staged(models),))
    begin(models, change)
    finish(models, change, SCENARIO)
    assert flushed == [models, models / "checkpoints", models.parent]  # the last one: the journal is gone


def test_folders_of_staged_copies_are_flushed_once_each(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(atomic_swap, "sync_folder", flushed.append)
    places = (staged(models, "checkpoints/a.zip"), staged(models, "checkpoints/b.zip"), staged(models, "c.zip"))
    atomic_swap.sync_staged(models, Change(act=RESTORE, folder="s02", place=places))
    folder = models.parent / ".incoming-s02"
    assert sorted(flushed) == [folder, folder / "checkpoints"]
