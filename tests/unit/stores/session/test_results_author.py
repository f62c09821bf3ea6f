"""The session that wrote a results folder, as its files state it; files of another section are ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, models_path
from orchestrator.stores.session.results import ResultsTree
from tests.unit.kernel.makers import SCENARIO, make_ticket, save

TICKET = make_ticket(spec={"section_dir": "section_7_6_rl_performance"})
DIRECTORY = TICKET.section_dir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "local_arz-x-s01"
    models = models_path(folder, DIRECTORY)
    save(models, 20, save(models, 10, ticket=TICKET), ticket=TICKET)
    return folder


def commit(folder: Path) -> None:
    outcome = SectionOutcome(ending=KernelEnding.PAUSED, steps_done=20)
    words = {"started_at": "", "ended_at": "", "error": None}
    # Keyword arguments of several types.
    write_manifest(folder, ticket=TICKET, outcome=outcome, timings_s={}, preflight={}, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("manifest", ["none", "whole", "damaged"])
def test_checkpoints_are_verified_against_the_author_in_the_folder(folder: Path, manifest: str) -> None:
    tree = ResultsTree(folder.parent)
    if manifest != "none":
        commit(folder)
    if manifest == "damaged":
        (folder / MANIFEST_NAME).write_text("<html>not now</html>", encoding="utf-8")
    author = tree.author(folder, DIRECTORY, SCENARIO)
    assert author is not None and author.stamp() == TICKET.stamp()
    assert [card.steps for card in tree.incoming(folder, author).verified] == [20, 10]


def test_a_folder_without_matching_files_has_no_author(folder: Path, tmp_path: Path) -> None:
    tree = ResultsTree(tmp_path)
    assert tree.author(tmp_path / "absent", DIRECTORY, SCENARIO) is None
    assert tree.author(folder, "section_7_3_other", SCENARIO) is None
    assert tree.author(folder, DIRECTORY, "another_scenario") is None
    for path in models_path(folder, DIRECTORY).rglob("*.zip"):
        path.write_bytes(b"damaged")
    assert tree.author(folder, DIRECTORY, SCENARIO) is None


@pytest.mark.parametrize("text", ['{"stamp": 5}', "[]", '{"wire_version": 1, "stamp": {}, "spec": []}'])
def test_a_manifest_of_an_unexpected_shape_is_ignored(folder: Path, text: str) -> None:
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    author = ResultsTree(folder.parent).author(folder, DIRECTORY, SCENARIO)
    assert author is not None and author.stamp() == TICKET.stamp()  # taken from the checkpoint cards
