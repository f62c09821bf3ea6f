"""Results of a session are used only if they are its own and complete."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry, Ticket, models_path
from orchestrator.stores.session.results import ResultsTree
from tests.unit.kernel.makers import make_ticket, save

TICKET = make_ticket()


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "local_arz-x-s01"
    models = models_path(folder, TICKET.section_dir)
    save(models, 20, save(models, 10, ticket=TICKET), ticket=TICKET)
    return folder


def _commit(folder: Path, ticket: Ticket = TICKET, steps_done: int | None = 20) -> None:
    write_manifest(
        folder,
        ticket=ticket,
        outcome=SectionOutcome(ending=KernelEnding.PAUSED, steps_done=steps_done),
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


@pytest.mark.parametrize("nonce", ["a" * 32, "z" * 32])
def test_one_other_nonce_makes_another_session(tmp_path: Path, nonce: str) -> None:
    assert _tree(tmp_path).incoming(_folder(tmp_path), replace(TICKET, nonce=nonce)).verified == ()


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


def test_a_session_may_save_before_its_first_step(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _commit(folder)
    path = folder / MANIFEST_NAME
    plain = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**plain, "steps_start": 10}), encoding="utf-8")
    incoming = _tree(tmp_path).incoming(folder, TICKET)
    assert [card.steps for card in incoming.verified] == [20, 10] and not incoming.faults


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


def test_the_folders_of_an_owner_are_those_of_its_slugs(tmp_path: Path) -> None:
    tree = _tree(tmp_path)
    assert tree.taken("ana") == []
    for name in ("ana_x-s02", "ana_x-s01", "bob_x-s03"):
        (tmp_path / "results" / name).mkdir(parents=True)
    assert tree.taken("ana") == ["x-s01", "x-s02"]
    assert tree.folder("ana", "x-s01") == tmp_path / "results/ana_x-s01"


def test_the_digest_of_a_manifest_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b"x")
    assert _tree(tmp_path).manifest_sha256(tmp_path) == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../x", ".."])
def test_each_listed_path_outside_the_folder_is_a_fault_and_the_others_are_still_checked(
    tmp_path: Path, path: str
) -> None:
    folder = _folder(tmp_path)
    _commit(folder)
    plain = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    empty = {"size_bytes": 1, "sha256": "0" * 64}
    plain["files"] = [{"path": path, **empty}, *plain["files"], {"path": "absent.csv", **empty}]
    (folder / MANIFEST_NAME).write_text(json.dumps(plain), encoding="utf-8")
    outside, missing = _tree(tmp_path).manifest(folder)[1]
    assert outside == f"the manifest lists {path!r}, which is outside its folder" and missing == "absent.csv is missing"


def _steps(tmp_path: Path, ticket: Ticket = TICKET) -> list[int]:
    return [card.steps for card in _tree(tmp_path).incoming(_folder_of(tmp_path), ticket).verified]


def _folder_of(tmp_path: Path) -> Path:
    return tmp_path / "results" / "local_arz-x-s01"


ROLLOUT = 1 << 20


@pytest.mark.parametrize(("steps", "usable"), [(40 + ROLLOUT, True), (41 + ROLLOUT, False)])
def test_without_a_manifest_a_session_may_exceed_its_target_by_a_rollout(
    tmp_path: Path, steps: int, usable: bool
) -> None:
    save(models_path(_folder_of(tmp_path), TICKET.section_dir), steps, ticket=TICKET)
    assert _steps(tmp_path) == ([steps] if usable else [])


def test_without_a_target_there_is_no_bound(tmp_path: Path) -> None:
    ticket = replace(TICKET, spec={**TICKET.spec, "target_steps": None})
    save(models_path(_folder_of(tmp_path), TICKET.section_dir), 10**12, ticket=ticket)
    assert _steps(tmp_path, ticket) == [10**12]


@pytest.mark.parametrize(("steps", "usable"), [(20, True), (21, False)])
def test_a_manifest_bounds_the_steps_of_its_own_session_only(tmp_path: Path, steps: int, usable: bool) -> None:
    folder = _folder_of(tmp_path)
    save(models_path(folder, TICKET.section_dir), steps, ticket=TICKET)
    _commit(folder)
    assert _steps(tmp_path) == ([steps] if usable else [])
    for nonce in ("m" * 32, "z" * 32):
        _commit(folder, replace(TICKET, nonce=nonce))
        assert _steps(tmp_path) == [steps], "the manifest of another session says nothing"
    _commit(folder, steps_done=None)
    assert _steps(tmp_path) == [steps], "a manifest without steps says nothing"
    (folder / MANIFEST_NAME).write_text("<html>", encoding="utf-8")
    assert _steps(tmp_path) == [steps], "a damaged manifest says nothing"


def test_a_session_that_did_no_step_has_no_checkpoint(tmp_path: Path) -> None:
    folder = _folder_of(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    save(models, 1, ticket=TICKET)
    _commit(folder, steps_done=0)
    assert _steps(tmp_path) == []
    best = (FileEntry(path="best_model/best_model.zip", size_bytes=1, sha256="0" * 64),)
    plain = json.loads((folder / MANIFEST_NAME).read_text("utf-8"))
    (folder / MANIFEST_NAME).write_text(json.dumps({**plain, "inputs": []}), encoding="utf-8")
    assert _steps(tmp_path, replace(TICKET, inputs=best)) == []


def test_a_session_may_return_the_checkpoint_that_it_was_given_though_it_did_fewer_steps(tmp_path: Path) -> None:
    folder = _folder_of(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    save(models, 50, ticket=TICKET)
    given = tuple(file_entry(path, models) for path in sorted(models.rglob("*_steps.*")))
    later = replace(TICKET, nonce="m" * 32, session=2, inputs=given)
    _commit(folder, later, steps_done=20)
    assert _steps(tmp_path, later) == [50]
    changed = tuple(replace(entry, sha256="0" * 64) for entry in given)
    assert _steps(tmp_path, replace(later, inputs=changed)) == []


def test_the_newest_two_checkpoints_are_put_in_place(tmp_path: Path) -> None:
    folder = _folder_of(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    for number, steps in enumerate((10, 20, 30)):
        save(tmp_path / str(number), steps, ticket=TICKET)
        (models / "checkpoints").mkdir(parents=True, exist_ok=True)
        for path in (tmp_path / str(number) / "checkpoints").iterdir():
            path.rename(models / "checkpoints" / path.name)
    incoming = _tree(tmp_path).incoming(folder, TICKET)
    assert [card.steps for card in incoming.verified] == [30, 20]
    assert len(incoming.entries) == 6 and not any("_10_steps" in entry.path for entry in incoming.entries)


@pytest.mark.parametrize(("target", "used"), [(20, True), (21, False), (19, True), (None, True)])
def test_a_final_model_is_used_when_the_newest_checkpoint_is_at_the_target(
    tmp_path: Path, target: int | None, used: bool
) -> None:
    ticket = replace(TICKET, spec={**TICKET.spec, "target_steps": target})
    folder = _folder_of(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    save(models, 20, ticket=ticket)
    final = models / "traffic_light_control_final.zip"
    assert not any("final" in entry.path for entry in _tree(tmp_path).incoming(folder, ticket).entries)
    final.write_bytes(b"final")
    entries = _tree(tmp_path).incoming(folder, ticket).entries
    assert (file_entry(final, models) in entries) is used


def test_without_a_usable_checkpoint_no_file_is_put_in_place(tmp_path: Path) -> None:
    folder = _folder_of(tmp_path)
    models = models_path(folder, TICKET.section_dir)
    save(models, 20, ticket=replace(TICKET, nonce="m" * 32))
    (models / "traffic_light_control_final.zip").write_bytes(b"final")
    incoming = _tree(tmp_path).incoming(folder, TICKET)
    assert (incoming.verified, incoming.entries) == ((), ()) and len(incoming.faults) == 1
    assert (incoming.root, incoming.steps) == (models, 0)


def test_a_metadata_file_that_is_a_folder_is_ignored(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (models_path(folder, TICKET.section_dir) / "training_metadata.json").mkdir()
    assert len(_tree(tmp_path).incoming(folder, TICKET).entries) == 6
