"""Folders that a session nested without end: left out, named, and deleted; every other file is taken."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.session.download import confined
from orchestrator.core.page.source import Source
from orchestrator.kernel.files.atomic import MOST_FOLDERS, sync_tree, walk
from orchestrator.kernel.files.outputs import copy_outputs, remove_tree
from orchestrator.kernel.files.scan import survey_mounts
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.stores.reporting.pictures import pictures_in
from tests.doubles.pictures import png
from tests.unit.kernel.makers import make_ticket

needs_relative_paths = pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="no folder can be that deep here")


@pytest.fixture(params=[("a", 1200), ("b" * 200, 25), ("a", MOST_FOLDERS + 1)], ids=["levels", "length", "one more"])
def outputs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A picture, a picture in the deepest folder that is taken, and one in a folder that is too deep."""
    name, depth = request.param
    root = tmp_path / "outputs"
    root.mkdir()
    (root / "good.png").write_bytes(png())
    place = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=place)
        inner = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(os.open("bad.png", os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)
    yield root
    remove_tree(root, ignore_errors=True)  # pytest itself cannot delete it


@needs_relative_paths
def test_a_folder_that_is_too_deep_is_named_and_everything_else_is_copied(outputs: Path, tmp_path: Path) -> None:
    into = tmp_path / "results"
    into.mkdir()
    ((path, why),) = copy_outputs(outputs, tmp_path / "no.log", into)
    assert why == "has a path that is too long: not copied" and path.parts[0] in ("a", "b" * 200)
    assert (into / "good.png").read_bytes() == png()
    assert [name for _, _, names in walk(into) for name in names] == ["good.png"]
    sync_tree(into)


def _manifest(root: Path) -> list[str]:
    written = write_manifest(
        root,
        ticket=make_ticket(),
        outcome=SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40),
        error=None,
        started_at="",
        ended_at="",
        timings_s={},
        preflight={},
    )
    return [Path(entry.path).name for entry in written.files]


def _pictures(root: Path) -> list[str]:
    return [one.title + ".png" for one in pictures_in([(root, Source(session="s"))], str, 1 << 20)[0]]


@needs_relative_paths
@pytest.mark.parametrize(
    "names", [_manifest, _pictures, lambda root: [one.path.name for one in survey_mounts([root]).files]]
)
def test_everything_that_looks_through_outputs_leaves_it_out(outputs: Path, names: Callable[[Path], list[str]]) -> None:
    assert names(outputs) == ["good.png"]


@needs_relative_paths
@pytest.mark.parametrize("ignore_errors", [False, True])
def test_it_is_deleted(outputs: Path, ignore_errors: bool) -> None:
    remove_tree(outputs, ignore_errors=ignore_errors)
    assert not outputs.exists()


def test_a_folder_that_is_not_there_is_an_error_unless_errors_are_ignored(tmp_path: Path) -> None:
    remove_tree(tmp_path / "absent", ignore_errors=True)
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "absent")


def test_a_listed_name_in_too_many_folders_is_refused() -> None:
    assert confined("a/" * (MOST_FOLDERS - 1) + "f") and not confined("a/" * MOST_FOLDERS + "f")
