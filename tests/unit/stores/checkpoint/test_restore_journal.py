"""The journal of a restore: one of an earlier version is completed, one with paths outside is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.checkpoint.restore_journal import read_journal
from tests.unit.kernel.makers import SCENARIO, save

EARLIER = {"target": "models", "staged": ".incoming-s02", "archive": "archive/s02"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("first_rename_done", [False, True])
def test_an_interrupted_swap_of_an_earlier_version_is_completed(data: Path, first_rename_done: bool) -> None:
    old = data / ("archive/s02" if first_rename_done else "models")
    save(old, 10)
    (old / "checkpoints/model.zip").write_bytes(b"own")
    save(data / ".incoming-s02", 20)
    (data / "restore_journal.json").write_text(json.dumps(EARLIER), encoding="utf-8")
    models = ModelsDirectory(data / "models", SCENARIO)
    assert models.recover() == "finished an interrupted restore"
    assert models.view().steps == 20
    models.discard_archive("s02")
    assert [path.read_bytes() for path in data.rglob("model.zip")] == [b"own"]
    assert not list(data.glob(".incoming-*")) and not (data / "restore_journal.json").exists()
    assert models.recover() is None


def test_an_earlier_swap_of_a_linked_directory_restores_the_link(data: Path, tmp_path: Path) -> None:
    save(tmp_path / "disk", 10)
    (data / "archive").mkdir()
    (data / "archive/s02").symlink_to(tmp_path / "disk", target_is_directory=True)
    save(data / ".incoming-s02", 20)
    (data / "restore_journal.json").write_text(json.dumps(EARLIER), encoding="utf-8")
    models = ModelsDirectory(data / "models", SCENARIO)
    models.recover()
    assert (data / "models").is_symlink() and models.view().steps == 20
    assert list((tmp_path / "disk/checkpoints").glob("*_20_steps.zip"))


def test_an_unfinished_copy_without_a_journal_is_kept_in_the_archive(data: Path) -> None:
    (data / ".incoming-s02").mkdir()
    (data / ".incoming-s02/x").write_bytes(b"copy")
    models = ModelsDirectory(data / "models", SCENARIO)
    assert str(data / "archive/incoming-s02") in str(models.recover())
    assert (data / "archive/incoming-s02/x").read_bytes() == b"copy"


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from(
    ["models", "..", "../x", "/etc", ".incoming-x", "archive/x", "archive/../x", "", "a\\b", "a\0"]
)


@settings(max_examples=200, deadline=None)
@given(
    journal=_plain
    | st.fixed_dictionaries(dict.fromkeys(EARLIER, _names | _plain))
    | st.fixed_dictionaries(
        dict.fromkeys(("version", "act", "folder", "place", "retire"), _names | _plain | st.just(2))
    )
)
def test_any_journal_is_read_or_refused_with_a_message(journal: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("journal") / "restore_journal.json"
    path.write_text(json.dumps(journal), encoding="utf-8")
    try:
        change = read_journal(path, "models")
    except ValueError as fault:
        assert str(fault)
    else:
        assert ".." not in repr(change) and "/" not in repr(change).replace("archive/", "")
