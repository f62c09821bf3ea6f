"""Save, card, rotation and survey: a checkpoint is complete or does not exist."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint, survey_checkpoints
from orchestrator.kernel.wire import FileEntry
from tests.unit.kernel.makers import NOW, SCENARIO, make_ticket, save


def test_rotation_keeps_the_two_checkpoints_with_the_most_steps(tmp_path: Path) -> None:
    parent = None
    for steps in (900, 1000, 10_000):
        parent = save(tmp_path, steps, parent)
        for path in (tmp_path / "checkpoints").glob(f"*_{steps}_*"):
            os.utime(path, (10**9 - steps, 10**9 - steps))  # the file with the most steps has the oldest time
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == sorted(
        f"{SCENARIO}_checkpoint_{steps}_steps{suffix}"
        for steps in (1000, 10_000)
        for suffix in (".zip", ".state.npz", ".json")
    )


def test_the_ancestry_lists_all_earlier_checkpoints(tmp_path: Path) -> None:
    first = save(tmp_path, 10)
    second = save(tmp_path, 20, first)
    third = save(tmp_path, 30, second)
    assert first.ancestry == ()
    assert [ancestor.digest for ancestor in third.ancestry] == [first.digest, second.digest]
    assert len({first.digest, second.digest, third.digest}) == 3


def test_the_ancestry_records_the_resume_grade_of_each_checkpoint(tmp_path: Path) -> None:
    first = save(tmp_path, 10)
    whole, broken = save(tmp_path, 20, first), save(tmp_path / "other", 20, first, continued="weights-only")
    assert (first.lowest_grade, whole.lowest_grade, broken.lowest_grade) == ("exact", "exact", "weights-only")
    assert save(tmp_path / "other", 30, broken).lowest_grade == "weights-only"
    assert whole.digest != broken.digest
    path = tmp_path / "other/checkpoints" / broken.name
    path.write_text(path.read_text("utf-8").replace("weights-only", "exact"), encoding="utf-8")
    with pytest.raises(ValueError, match="digest that it states"):
        read_card(path)
    path.write_text(path.read_text("utf-8").replace('"continued": "exact"', '"continued": "nice"'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"ancestry\[0\].continued must be one of exact, .*, not 'nice'"):
        read_card(path)


def test_a_changed_grade_in_the_ancestry_is_detected(tmp_path: Path) -> None:
    second = save(tmp_path, 20, save(tmp_path, 10), continued="weights-only")
    third = save(tmp_path, 30, second, continued="statistical")
    path = tmp_path / "checkpoints" / third.name
    for index in range(len(third.ancestry)):
        body = json.loads(path.read_text("utf-8"))
        body["ancestry"][index]["continued"] = "exact"
        with pytest.raises(ValueError, match="digest that it states"):
            CheckpointCard.from_json(body)


def test_a_card_of_a_version_without_grades_is_still_read(tmp_path: Path) -> None:
    second = save(tmp_path, 20, save(tmp_path, 10))
    path = tmp_path / "checkpoints" / second.name
    body = json.loads(path.read_text("utf-8"))
    for ancestor in body["ancestry"]:
        assert ancestor.pop("continued") == "exact"
    path.write_text(json.dumps(body), encoding="utf-8")
    assert read_card(path).digest == second.digest


def test_a_kill_before_the_card_leaves_no_checkpoint(tmp_path: Path) -> None:
    good = save(tmp_path, 10)

    class Killed(BaseException):
        pass

    def get_killed(path: Path) -> None:
        path.write_bytes(b"half")
        raise Killed

    with pytest.raises(Killed):
        save_checkpoint(
            tmp_path,
            scenario=SCENARIO,
            steps=20,
            writers={".zip": lambda path: path.write_bytes(b"whole") and None, ".state.npz": get_killed},
            identity={},
            stamp=make_ticket().stamp(),
            parent=good,
            now=NOW,
        )
    survey = survey_checkpoints(tmp_path, SCENARIO)
    assert survey.latest == good
    assert "never completed" in survey.faults[f"{SCENARIO}_checkpoint_20_steps"]
    assert not list((tmp_path / "checkpoints").glob(".partial*"))


@pytest.mark.parametrize("suffix", [".zip", ".state.npz"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_a_damaged_newest_checkpoint_is_skipped(tmp_path: Path, suffix: str, damage: str) -> None:
    older = save(tmp_path, 10)
    newer = save(tmp_path, 20, older)
    path = tmp_path / "checkpoints" / (newer.stem + suffix)
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    assert find_latest_checkpoint(tmp_path, SCENARIO) == older
    assert newer.stem in survey_checkpoints(tmp_path, SCENARIO).faults


def test_a_card_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    card = save(tmp_path, 10)
    path = tmp_path / "checkpoints" / card.name
    body = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**body, "steps": 99}), encoding="utf-8")
    with pytest.raises(ValueError, match="digest"):
        read_card(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"card_version": 1}', '{"card_version": 9}'])
def test_a_text_that_is_no_card_is_refused_with_a_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"card|cannot be read"):
        read_card(path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a\\b"])
def test_a_card_that_names_a_path_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    card = save(tmp_path, 10)
    evil = replace(card, files=(FileEntry(path=name, size_bytes=1, sha256="0" * 64),))
    assert card_fault(evil, tmp_path / "checkpoints") is not None


def test_checkpoints_of_other_scenarios_are_ignored(tmp_path: Path) -> None:
    save(tmp_path, 10)
    assert find_latest_checkpoint(tmp_path, "ramp_metering") is None


def test_a_missing_folder_has_no_checkpoint_and_no_fault(tmp_path: Path) -> None:
    survey = survey_checkpoints(tmp_path / "nowhere", SCENARIO)
    assert survey.latest is None
    assert survey.faults == {}


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_rotation_deletes_only_files_whose_bytes_match_their_card(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    first = save(tmp_path, 10)
    own = {
        f"{SCENARIO}_checkpoint_5_steps.zip",
        f"{SCENARIO}_checkpoint_7_steps.state.npz",
        f"{SCENARIO}_checkpoint_10_steps.vecnormalize.pkl",
        f"{SCENARIO}_checkpoint_99_steps.json",
        "model.zip",
    }
    for name in own:
        (folder / name).write_bytes(b"own")
    second = save(tmp_path, 20, first)
    (folder / f"{second.stem}.zip").write_bytes(b"own model under our name")
    third = save(tmp_path, 30, second)
    save(tmp_path, 50, save(tmp_path, 40, third))
    assert own <= _names(folder)
    assert (folder / f"{second.stem}.zip").read_bytes() == b"own model under our name"
    ours = {f"{SCENARIO}_checkpoint_{steps}_steps.zip" for steps in (10, 30, 40, 50)}
    assert ours & _names(folder) == {f"{SCENARIO}_checkpoint_{steps}_steps.zip" for steps in (40, 50)}


def test_an_interrupted_rotation_is_completed_by_the_next(tmp_path: Path) -> None:
    older = save(tmp_path, 20, save(tmp_path, 10))
    (tmp_path / "checkpoints" / f"{SCENARIO}_checkpoint_10_steps.zip").unlink()
    save(tmp_path, 40, save(tmp_path, 30, older))
    assert not list((tmp_path / "checkpoints").glob("*_10_steps*"))


def test_a_save_on_a_full_disk_leaves_no_partial_files(tmp_path: Path) -> None:
    good = save(tmp_path, 10)

    def refuse(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match="No space"):
        save_checkpoint(
            tmp_path,
            scenario=SCENARIO,
            steps=20,
            writers={".zip": lambda path: path.write_bytes(b"whole") and None, ".state.npz": refuse},
            identity={},
            stamp=make_ticket().stamp(),
            parent=good,
            now=NOW,
        )
    assert not list((tmp_path / "checkpoints").glob("*_20_steps*"))
    assert find_latest_checkpoint(tmp_path, SCENARIO) == good


def test_a_save_sets_aside_a_file_that_no_card_names(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / f"{SCENARIO}_checkpoint_20_steps.zip"
    path.parent.mkdir()
    path.write_bytes(b"own")
    card = save(tmp_path, 20)
    assert find_latest_checkpoint(tmp_path, SCENARIO) == card
    assert (tmp_path / "checkpoints/set_aside" / path.name).read_bytes() == b"own"


def test_a_card_that_names_no_model_does_not_verify(tmp_path: Path) -> None:
    card = save(tmp_path, 10)
    path = tmp_path / "checkpoints" / card.name
    other = replace(card, files=tuple(entry for entry in card.files if not entry.path.endswith(".zip")))
    path.write_text(json.dumps(other.to_json()), encoding="utf-8")  # with the digest that it has
    survey = survey_checkpoints(tmp_path, SCENARIO)
    assert survey.latest is None
    assert "does not list its model" in survey.faults[card.stem]
    path.write_text(json.dumps(replace(card, files=()).to_json()), encoding="utf-8")
    survey = survey_checkpoints(tmp_path, SCENARIO)
    assert survey.latest is None
    assert survey.faults[card.stem] == f"{card.name} cannot be read: files is empty"
