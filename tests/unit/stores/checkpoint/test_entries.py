"""Descriptions of files: only plain paths inside a folder, and only bytes that were verified."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint import entries as entries_room
from orchestrator.stores.checkpoint.entries import (
    best_model_entries,
    checkpoint_entries,
    copied_fault,
    describes,
    entries_from,
    entries_to_json,
    is_inner_path,
    is_plain_file,
    is_plain_name,
)
from tests.unit.kernel.makers import save

WHOLE = {"path": "checkpoints/a.zip", "size_bytes": 3, "sha256": "a" * 64}


def test_only_a_regular_file_is_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    assert [is_plain_file(tmp_path / name) for name in ("file", "link", "folder", "absent")] == [True, *[False] * 3]


@pytest.mark.parametrize("text", ["a", "a/b.zip", "a..b/c", ".hidden", "a b/\u00e9"])
def test_a_path_below_the_folder_is_an_inner_path(text: str) -> None:
    assert is_inner_path(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a/../b", "/a", "./a", "a//b", "a/", "a\\b", "C:/a", "a:b", "a\nb", "a\0b"]
)
def test_every_other_text_is_none(text: str) -> None:
    assert not is_inner_path(text)


def test_a_plain_name_is_short_and_has_no_folder() -> None:
    assert is_plain_name("s02") and is_plain_name("x" * 199) and is_plain_name("\u00e9" * 99)
    assert not any(map(is_plain_name, ("x" * 200, "\u00e9" * 100, "a/b", "..", "", None, 5, b"x")))


def test_a_list_of_files_is_read_as_it_was_written() -> None:
    entries = (FileEntry(**WHOLE), FileEntry(**{**WHOLE, "path": "b.zip", "size_bytes": 0}))
    assert entries_from({"files": json.loads(json.dumps(entries_to_json(entries)))}, "list.json") == entries
    assert entries_from({"files": [], "later": 1}, "list.json") == ()


@pytest.mark.parametrize(
    "plain",
    [
        None,
        {},
        "x",
        [None],
        [5],
        [{}],
        [{**WHOLE, "more": 1}],
        [{"path": "a", "size_bytes": 1}],
        [{**WHOLE, "path": 5}],
        [{**WHOLE, "path": "../a"}],
        [{**WHOLE, "size_bytes": "3"}],
        [{**WHOLE, "size_bytes": 3.0}],
        [{**WHOLE, "size_bytes": True}],
        [{**WHOLE, "sha256": None}],
        [WHOLE, {**WHOLE, "sha256": 5}],
    ],
)
def test_any_other_list_is_refused(plain: Any) -> None:
    with pytest.raises(ValueError):
        entries_from({"files": plain}, "list.json")


def test_a_refused_path_is_shown_short() -> None:
    with pytest.raises(ValueError, match=r"list\.json cannot be read: files\[0\]\.path must be a path within") as fault:
        entries_from({"files": [{**WHOLE, "path": "/" * 100}]}, "list.json")
    assert "/" * 11 in str(fault.value) and "/" * 13 not in str(fault.value)


@pytest.mark.parametrize("size_bytes", [0, 1, 3, 4, 9])
def test_a_copy_of_any_size_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int) -> None:
    monkeypatch.setattr(entries_room, "_CHUNK_BYTES", 4)
    content = bytes(range(size_bytes))
    (tmp_path / "source").write_bytes(content)
    entry = FileEntry(path="a.zip", size_bytes=size_bytes, sha256=hashlib.sha256(content).hexdigest())
    target = tmp_path / "new/folder/copy"
    assert copied_fault(entry, tmp_path / "source", target) is None
    assert copied_fault(entry, tmp_path / "source", target) is None, "a second copy replaces the first"
    assert target.read_bytes() == content


def test_a_copy_with_other_bytes_or_another_size_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"abc")
    entry = file_entry(tmp_path / "source", tmp_path)
    for content, fault in (
        *((bytes([97, 98, last]), "source does not have its sha256") for last in range(100, 110)),
        (b"ab", "source has 2 bytes instead of 3"),
        (b"abcd", "source has 4 bytes instead of 3"),
    ):
        (tmp_path / "source").write_bytes(content)
        assert copied_fault(entry, tmp_path / "source", tmp_path / "copy") == fault


def test_the_files_of_a_checkpoint_are_those_of_its_card_and_the_card(tmp_path: Path) -> None:
    card = save(tmp_path, 10)
    entries = list(checkpoint_entries(tmp_path, [card]))
    assert entries == [
        *(file_entry(tmp_path / "checkpoints" / one.path, tmp_path) for one in card.files),
        file_entry(tmp_path / "checkpoints" / card.name, tmp_path),
    ]


def _best(models: Path) -> Path:
    card = save(models, 10)
    best = models / "best_model"
    best.mkdir()
    plain = json.loads((models / "checkpoints" / card.name).read_text("utf-8"))
    model = models / "checkpoints" / f"{card.stem}.zip"
    (best / "best_model.zip").write_bytes(model.read_bytes())
    (best / "best_model.json").write_text(
        json.dumps(
            _restated({**plain, "stem": "best_model", "files": [{**plain["files"][0], "path": "best_model.zip"}]})
        ),
        encoding="utf-8",
    )
    return best


def _restated(plain: dict[str, Any]) -> dict[str, Any]:
    from orchestrator.kernel.checkpoint.card import CheckpointCard

    fields = {name: value for name, value in plain.items() if name not in ("digest", "files", "ancestry")}
    files = tuple(FileEntry(**one) for one in plain["files"])
    return {**plain, "digest": CheckpointCard(**fields, files=files, ancestry=()).digest}


def test_a_best_model_is_used_only_of_its_lineage_and_only_if_its_bytes_agree(tmp_path: Path) -> None:
    best = _best(tmp_path)
    expected = [file_entry(best / name, tmp_path) for name in ("best_model.zip", "best_model.json")]
    assert list(best_model_entries(tmp_path)) == expected
    assert list(best_model_entries(tmp_path, "c" * 64)) == expected
    assert list(best_model_entries(tmp_path, "d" * 64)) == []
    (best / "best_model.zip").write_bytes(b"other")
    assert list(best_model_entries(tmp_path)) == []


def test_a_linked_or_damaged_card_of_a_best_model_is_not_used(tmp_path: Path) -> None:
    best = _best(tmp_path)
    (best / "best_model.json").rename(best / "aside.json")
    assert list(best_model_entries(tmp_path)) == []
    (best / "best_model.json").symlink_to(best / "aside.json")
    assert list(best_model_entries(tmp_path)) == []
    (best / "best_model.json").unlink()
    (best / "best_model.json").write_text("{", encoding="utf-8")
    assert list(best_model_entries(tmp_path)) == []


def test_metadata_describes_the_checkpoint_whose_digest_it_states(tmp_path: Path) -> None:
    cards = [save(tmp_path, 10), save(tmp_path, 20)]
    path = tmp_path / "training_metadata.json"
    for stated, expected in ((cards[1].digest, True), ("0" * 64, False), (None, False), ([], False)):
        path.write_text(json.dumps({"latest_checkpoint_digest": stated}), encoding="utf-8")
        assert describes(path, cards) is expected
    path.write_text("[]", encoding="utf-8")
    assert describes(path, cards) is False
