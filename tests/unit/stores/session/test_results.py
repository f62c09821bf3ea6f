"""Results of a session are used only if they are its own and complete."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, models_path
from orchestrator.stores.session.results import ResultsTree
from tests.unit.kernel.makers import make_ticket, save

TICKET = make_ticket()


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "local_arz-x-s01"
    models = models_path(folder, TICKET.section_dir)
    save(models, 20, save(models, 10, ticket=TICKET), ticket=TICKET)
    return folder


def _commit(folder: Path) -> None:
    write_manifest(
        folder,
        ticket=TICKET,
        outcome=SectionOutcome(ending=KernelEnding.PAUSED, steps_done=20),
        error=None,
        started_at="",
        ended_at="",
        timings_s={},
        preflight={},
    )


def _tree(tmp_path: Path) -> ResultsTree:
    return ResultsTree(tmp_path / "results")


def test_checkpoints_count_without_a_manifest(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert _tree(tmp_path).manifest(folder) == (None, ())
    assert [card.steps for card in _tree(tmp_path).incoming(folder, TICKET).verified] == [20, 10]


def test_a_file_changed_after_the_manifest_is_reported(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "metrics.csv").write_text("delay\n20.4\n", encoding="utf-8")
    _commit(folder)
    (folder / "metrics.csv").write_text("delay\n10.4\n", encoding="utf-8")
    manifest, faults = _tree(tmp_path).manifest(folder)
    assert manifest is not None
    assert faults == ("metrics.csv does not have its sha256",)


def test_a_truncated_manifest_is_a_fault_and_not_an_exception(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / MANIFEST_NAME).write_text('{"wire_version": 1, "st', encoding="utf-8")
    manifest, faults = _tree(tmp_path).manifest(folder)
    assert manifest is None
    assert "cannot be read" in faults[0]


def test_a_manifest_that_names_a_path_outside_its_folder_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _commit(folder)
    plain = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    plain["files"].append({"path": "../../secret", "size_bytes": 1, "sha256": "0" * 64})
    (folder / MANIFEST_NAME).write_text(json.dumps(plain), encoding="utf-8")
    assert "outside" in _tree(tmp_path).manifest(folder)[1][0]


def test_checkpoints_of_another_session_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    other = replace(TICKET, nonce="m" * 32, session=2)
    incoming = _tree(tmp_path).incoming(folder, other)
    assert incoming.verified == ()
    assert set(incoming.faults.values()) == {"it was saved by another session"}


def test_the_input_checkpoints_of_a_session_count(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    given = tuple(file_entry(path, models) for path in sorted(models.rglob("*.json")))
    incoming = _tree(tmp_path).incoming(folder, replace(TICKET, nonce="m" * 32, session=2, inputs=given))
    assert [card.steps for card in incoming.verified] == [20, 10]


@pytest.mark.parametrize("digest", ["of the newest", "of another"])
def test_metadata_is_used_only_if_it_describes_the_newest_checkpoint(tmp_path: Path, digest: str) -> None:
    folder = _folder(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    newest = _tree(tmp_path).incoming(folder, TICKET).verified[0]
    stated = newest.digest if digest == "of the newest" else "0" * 64
    (models / "training_metadata.json").write_text(json.dumps({"latest_checkpoint_digest": stated}), encoding="utf-8")
    paths = {entry.path for entry in _tree(tmp_path).incoming(folder, TICKET).entries}
    assert ("training_metadata.json" in paths) == (digest == "of the newest")


@pytest.mark.parametrize("manifest", [True, False])
def test_a_card_with_more_steps_than_its_session_can_have_done_is_refused(tmp_path: Path, manifest: bool) -> None:
    folder = _folder(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    save(models, 10**12, ticket=TICKET)
    if manifest:
        _commit(folder)  # its manifest states 20 steps
    incoming = _tree(tmp_path).incoming(folder, TICKET)
    assert incoming.steps == 20
    assert any("but the session can have done " in fault for fault in incoming.faults.values())


def test_a_card_with_fewer_steps_than_its_session_began_with_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _commit(folder)
    path = folder / MANIFEST_NAME
    plain = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**plain, "steps_start": 15}), encoding="utf-8")
    incoming = _tree(tmp_path).incoming(folder, TICKET)
    assert [card.steps for card in incoming.verified] == [20]
    assert list(incoming.faults.values()) == ["it states 10 steps, but the session began at 15"]


def test_a_listed_name_that_is_impossible_on_this_computer_is_missing(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _commit(folder)
    plain = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    for path in ("x" * 5000, "a\0b"):
        plain["files"] = [{"path": path, "size_bytes": 1, "sha256": "0" * 64}]
        (folder / MANIFEST_NAME).write_text(json.dumps(plain), encoding="utf-8")
        assert _tree(tmp_path).manifest(folder)[1] == (f"{path} is missing",)
