"""The user's own files in a models directory survive every operation and interruption, and the view names them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.kernel.checkpoint.save import rotate
from orchestrator.stores.checkpoint import entries as entries_room
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from tests.unit.kernel.makers import SCENARIO, save
from tests.unit.stores.checkpoint.trees import USUAL, bring, contents_below, named_by, own_trees, write_tree


class _PowerCut(BaseException):
    pass


def _cut_before(monkeypatch: pytest.MonkeyPatch, operation_number: int) -> None:
    """Let the power fail before the `operation_number`-th rename, unlink, copy or rmdir and before all later ones."""
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done >= operation_number:
                raise _PowerCut
            done += 1
            return real(*args, **kwargs)

        return act

    monkeypatch.setattr(entries_room, "_copy", counted(entries_room._copy))
    for name in ("replace", "rename", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


ACTS = ("restore", "restore with best", "discard", "fresh", "leftovers", "rotate", "save", "recover")
acts = st.tuples(st.sampled_from(ACTS), st.integers(0, 40) | st.none())


def _act(models: ModelsDirectory, place: Path, act: str, number: int) -> None:
    path, token = place / "data/models", f"session-{number // 2}"
    steps = 10 * (number + 1)
    if act.startswith("restore"):
        incoming = bring(place / f"results-{number}", steps, steps + 10, best="best" in act)
        assert models.replace_with(incoming, token).inventory == models.view()
    elif act == "discard":
        models.discard_archive(token)
    elif act == "fresh" and path.exists():
        models.archive(token)
    elif act == "leftovers":
        models.archive_leftovers(token)
    elif act == "rotate" and (path / "checkpoints").is_dir():
        rotate(path / "checkpoints", SCENARIO, keep=1)
    elif act == "save" and not (path / "checkpoints").is_file():
        save(path, steps)


def _assert_all_there_and_named(models: ModelsDirectory, place: Path, put: list[bytes], what: object) -> None:
    found: dict[bytes, list[Path]] = {}
    for path, content in contents_below(place / "data"):
        found.setdefault(content, []).append(path)
    named = named_by(models)
    for content in put:
        assert content in found, f"{content!r} is lost after {what}"
        assert any(path in named for path in found[content]), f"{found[content]} is not named after {what}"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=own_trees, more=own_trees, steps=st.lists(acts, min_size=1, max_size=5), linked=st.sampled_from("nmcb"))
@example(tree={"checkpoints/model.zip": b"x", "model.zip": b"y"}, more={}, steps=[("restore", None)], linked="n")
@example(tree={name: b"." for name in USUAL}, more={}, steps=[("restore", None), ("discard", None)], linked="n")
@example(tree={"checkpoints": b"."}, more={}, steps=[("restore", None), ("discard", None)], linked="n")
@example(tree={name: b"." for name in USUAL}, more={}, steps=[("fresh", 4), ("recover", None)], linked="c")
def test_own_files_exist_and_are_named_after_any_sequence_of_operations(
    tree: dict[str, bytes], more: dict[str, bytes], steps: list[tuple[str, int | None]], linked: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        models = ModelsDirectory(place / "data/models", SCENARIO)
        _link(place, linked)
        put: list[bytes] = []
        for number, (act, cut_at) in enumerate(steps):
            put += write_tree(place / "data/models", tree if number == 0 else {f"{number}/{k}": more[k] for k in more})
            with pytest.MonkeyPatch.context() as monkeypatch:
                if cut_at is not None:
                    _cut_before(monkeypatch, cut_at)
                with contextlib.suppress(_PowerCut):
                    _act(models, place, act, number)
            models.recover()
            _assert_all_there_and_named(models, place, put, (steps[: number + 1], linked))


def _link(place: Path, linked: str) -> None:
    """Make a folder a symbolic link: n none, m the models directory, c its checkpoints, b its best model."""
    (place / "data").mkdir()
    target = {"m": "data/models", "c": "data/models/checkpoints", "b": "data/models/best_model"}.get(linked)
    if target is not None:
        (place / "big disk").mkdir()
        (place / target).parent.mkdir(exist_ok=True)
        (place / target).symlink_to(place / "big disk", target_is_directory=True)


@pytest.mark.parametrize("linked", ["n", "m", "c", "b"])
@pytest.mark.parametrize("act", ["restore with best", "fresh", "leftovers"])
def test_own_files_survive_an_interruption_before_each_operation(tmp_path: Path, act: str, linked: str) -> None:
    for cut_at in range(200):
        place = tmp_path / str(cut_at)
        place.mkdir()
        _link(place, linked)
        models = ModelsDirectory(place / "data/models", SCENARIO)
        models.replace_with(bring(place / "old", 10, 20, best=True), "old")
        models.discard_archive("old")
        put = write_tree(place / "data/models", {name: b"." for name in USUAL})
        with pytest.MonkeyPatch.context() as monkeypatch:
            _cut_before(monkeypatch, cut_at)
            try:
                _act(models, place, act, 2)
                finished = True
            except _PowerCut:
                finished = False
        models.recover()
        _assert_all_there_and_named(models, place, put, cut_at)
        if act.startswith("restore"):
            assert models.view().steps in (10, 40)
            models.discard_archive("session-1")
            _assert_all_there_and_named(models, place, put, cut_at)
        if finished:
            break
    assert finished
