"""User files among the models are kept or archived, are listed, and break nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.commands import Answer, orchestrate
from tests.doubles.toy_section import make_toy_project
from tests.marks import first_cases

SECTION = Path("validation_ch7/section_7_6_rl_performance")
DATA = SECTION / "data"
MODELS = DATA / "models"
QUICK = ("run", "section_7_6", "--quick")
STEM = "traffic_light_control_checkpoint"

PLACEMENTS: dict[str, tuple[str, ...]] = {
    "plain model and buffer": ("checkpoints/model.zip", "checkpoints/replay_buffer.pkl"),
    "as RL Zoo writes them": (
        "checkpoints/rl_model_50000_steps.zip",
        "checkpoints/rl_model_replay_buffer_50000_steps.pkl",
        "checkpoints/rl_model_vecnormalize_50000_steps.pkl",
    ),
    "beside the folders": ("model.zip", "replay_buffer.pkl", "notes with spaces.txt"),
    "in the best model's folder": ("best_model/model.zip", "best_model/evaluations.npz"),
    "as the best model": ("best_model/best_model.zip",),
    "under names of training outputs": ("training_metadata.json", "traffic_light_control_final.zip"),
    "in other folders": ("mine/deep/model.zip", "checkpoints/mine/model.zip", ".hidden/.model"),
    "a state without model": (f"checkpoints/{STEM}_40_steps.state.npz", f"checkpoints/{STEM}_40_steps.pkl"),
    "odd names": ("checkpoints/a\nb.zip", "checkpoints/\x1b[31mred.zip", os.fsdecode(b"checkpoints/\xff.zip")),
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def write_files(models: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    contents = {name: b"the user's own bytes at " + os.fsencode(name) for name in names}
    for name, content in contents.items():
        (models / name).parent.mkdir(parents=True, exist_ok=True)
        (models / name).write_bytes(content)
    return contents


def contents(folder: Path) -> Iterator[bytes]:
    for base, _, files in os.walk(folder, followlinks=True):
        yield from (path.read_bytes() for name in files if (path := Path(base, name)).is_file())


def display_name(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def successful_output(answer: Answer) -> str:
    assert answer.code == 0, answer.out + answer.err
    return answer.out + answer.err


@pytest.mark.parametrize("where", first_cases(6, reversed(PLACEMENTS)))
@pytest.mark.parametrize("beside_checkpoints", first_cases(1, [True, False]))
def test_user_files_are_listed_before_and_after_a_run_and_kept(toy: Path, where: str, beside_checkpoints: bool) -> None:
    if beside_checkpoints:
        successful_output(orchestrate(toy, *QUICK))
    kept = write_files(toy / MODELS, PLACEMENTS[where])
    before = successful_output(orchestrate(toy, "status"))
    assert all(display_name(name) in before for name in kept), before
    listed = orchestrate(toy, "status", "--json").json["models"][0]["own_files"]
    assert set(kept) <= set(listed)
    target = ("--target-steps", "60") if beside_checkpoints else ()
    after = successful_output(orchestrate(toy, *QUICK, *target))
    assert set(kept.values()) <= set(contents(toy / DATA))
    assert all(display_name(Path(name).name) in after for name in kept), after
    row = orchestrate(toy, "status", "--json").json["models"][0]
    assert row["steps"] == (60 if beside_checkpoints else 40)
    assert len(row["own_files"]) + len(row["archived"]) >= len(kept)
    assert "no card" in successful_output(orchestrate(toy, "status")).lower() or not row["own_files"]


def test_model_with_our_name_but_no_card_is_refused_and_kept(toy: Path) -> None:
    kept = write_files(toy / MODELS, (f"checkpoints/{STEM}_50000_steps.zip",))
    assert f"{STEM}_50000_steps.zip" in successful_output(orchestrate(toy, "status"))
    refused = orchestrate(toy, *QUICK)
    assert refused.code == 2 and f"{STEM}_50000_steps" in refused.err and "--fresh" in refused.err
    output = successful_output(orchestrate(toy, *QUICK, "--fresh"))
    assert f"{STEM}_50000_steps.zip" in output and "archive" in output
    assert set(kept.values()) <= set(contents(toy / DATA / "archive"))


def test_user_files_named_like_new_checkpoints_are_archived(toy: Path) -> None:
    successful_output(orchestrate(toy, *QUICK, "--target-steps", "20"))
    names = [f"checkpoints/{STEM}_40_steps{suffix}" for suffix in (".zip", ".state.npz", ".json", ".txt")]
    kept = write_files(toy / MODELS, tuple(names))
    output = successful_output(orchestrate(toy, *QUICK))
    assert set(kept.values()) <= set(contents(toy / DATA))
    assert all(f"{STEM}_40_steps{suffix}" in output for suffix in (".zip", ".state.npz", ".json", ".txt"))
    archived = orchestrate(toy, "status", "--json").json["models"][0]["archived"]
    assert sorted(Path(path).suffix for path in archived) == [".json", ".npz", ".zip"]


def test_fresh_archives_and_lists_user_files(toy: Path) -> None:
    kept = write_files(toy / MODELS, PLACEMENTS["plain model and buffer"])
    output = successful_output(orchestrate(toy, *QUICK, "--fresh"))
    assert "checkpoints/model.zip" in output and "archive" in output
    assert set(kept.values()) <= set(contents(toy / DATA / "archive"))
    assert not (toy / MODELS / "checkpoints/model.zip").exists()


def test_user_files_of_a_trial_are_kept_and_listed(toy: Path) -> None:
    successful_output(orchestrate(toy, *QUICK, "--seed", "3"))
    (models,) = (toy / SECTION / "trials").glob("*/data/models")
    kept = write_files(models, PLACEMENTS["plain model and buffer"])
    assert "checkpoints/model.zip" in successful_output(orchestrate(toy, "status"))
    successful_output(orchestrate(toy, *QUICK, "--seed", "3", "--target-steps", "60"))
    assert set(kept.values()) <= set(contents(models))


@pytest.mark.parametrize("part", ["data", "data/models", "data/models/checkpoints", "data/models/best_model"])
def test_symlinked_folder_stays_a_link_and_is_written_through(toy: Path, tmp_path: Path, part: str) -> None:
    disk = tmp_path / "big disk"
    disk.mkdir()
    (toy / SECTION / part).parent.mkdir(parents=True, exist_ok=True)
    (toy / SECTION / part).symlink_to(disk, target_is_directory=True)
    kept = write_files(toy / MODELS, ("checkpoints/model.zip", "best_model/model.zip"))
    for words in ((), ("--target-steps", "60"), ("--fresh",), ("--target-steps", "80")):
        successful_output(orchestrate(toy, *QUICK, *words))
        assert (toy / SECTION / part).is_symlink() and (toy / SECTION / part).resolve() == disk.resolve()
        assert set(kept.values()) <= set(contents(toy / DATA)), words
    if "best_model" not in part:
        assert list(disk.rglob("*_checkpoint_80_steps.zip"))
    assert not list(disk.rglob(".incoming-*"))


def test_dangling_models_link_is_refused_not_a_fresh_start(toy: Path, tmp_path: Path) -> None:
    disk = tmp_path / "big disk"
    disk.mkdir()
    (toy / DATA).mkdir(parents=True)
    (toy / MODELS).symlink_to(disk, target_is_directory=True)
    successful_output(orchestrate(toy, *QUICK))
    disk.rename(tmp_path / "away")
    for words in (QUICK, (*QUICK, "--fresh"), (*QUICK, "--dry-run")):
        answer = orchestrate(toy, *words)
        assert answer.code == 2 and "which is not there" in answer.err
    assert "which is not there" in orchestrate(toy, "status").out
    (tmp_path / "away").rename(disk)
    assert "40 steps in place" in successful_output(orchestrate(toy, "status"))


@pytest.mark.parametrize("name", ["best_model/best_model.zip", "best_model/best_model.json", "training_metadata.json"])
def test_symlink_target_is_never_sent(toy: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "outside.bin"
    secret.write_bytes(b"a secret outside the project")
    successful_output(orchestrate(toy, *QUICK, "--target-steps", "20"))
    link = toy / MODELS / name
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    assert name in successful_output(orchestrate(toy, "status"))
    planned = orchestrate(toy, *QUICK, "--dry-run", "--json").json
    assert name not in [entry["path"] for entry in planned["ticket"]["inputs"]]
    successful_output(orchestrate(toy, *QUICK))
    assert secret.read_bytes() not in set(contents(toy / ".orchestrator/local"))
    assert secret.read_bytes() == b"a secret outside the project"


def test_symlinked_checkpoint_is_not_used_and_its_target_is_kept(toy: Path, tmp_path: Path) -> None:
    successful_output(orchestrate(toy, *QUICK))
    path = toy / MODELS / f"checkpoints/{STEM}_40_steps.zip"
    shutil.move(path, tmp_path / "elsewhere.zip")
    path.symlink_to(tmp_path / "elsewhere.zip")
    assert "is a symbolic link" in successful_output(orchestrate(toy, "status"))
    successful_output(orchestrate(toy, *QUICK))
    assert (tmp_path / "elsewhere.zip").is_file()


JOURNALS: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"\xff\xfe{",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "other keys": b'{"a": 1}',
    "numbers": b'{"target": 1, "staged": 2, "archive": 3}',
    "outside": b'{"target": "../../../configs", "staged": ".incoming-x", "archive": "archive/x"}',
    "staged outside": b'{"target": "models", "staged": "../../../configs", "archive": "archive/x"}',
    "archive outside": b'{"target": "models", "staged": ".incoming-x", "archive": "../../../configs"}',
    "nul": b'{"target": "models", "staged": ".incoming-\\u0000", "archive": "archive/x"}',
    "own format, outside": json.dumps(
        {
            "version": 2,
            "act": "restore",
            "folder": "x",
            "place": [{"path": "../../../../configs/sections/section_7_6.yaml", "size_bytes": 1, "sha256": "0" * 64}],
            "retire": [],
        }
    ).encode(),
    "own format, folder outside": b'{"version": 2, "act": "restore", "folder": "../x", "place": [], "retire": []}',
}


@pytest.mark.parametrize("journal", first_cases(2, reversed(JOURNALS)))
@pytest.mark.parametrize("words", [(), ("--fresh",)])
def test_invalid_restore_journal_is_archived_and_reported(toy: Path, journal: str, words: tuple[str, ...]) -> None:
    successful_output(orchestrate(toy, *QUICK, "--target-steps", "20"))
    configs = sorted(path.read_bytes() for path in (toy / "configs").rglob("*.yaml"))
    (toy / DATA / "restore_journal.json").write_bytes(JOURNALS[journal])
    (toy / DATA / ".incoming-x").mkdir()
    (toy / DATA / ".incoming-x/staged.zip").write_bytes(b"staged")
    output = successful_output(orchestrate(toy, *QUICK, *words))
    assert "restore_journal.json was not followed" in output and "rejected-journal" in output
    assert sorted(path.read_bytes() for path in (toy / "configs").rglob("*.yaml")) == configs
    assert {JOURNALS[journal], b"staged"} <= set(contents(toy / DATA / "archive"))
    assert not (toy / DATA / "restore_journal.json").exists()


@pytest.mark.parametrize("name", ["models.lock", "archive", "models"])
def test_obstructing_path_is_reported_with_a_remedy(toy: Path, name: str) -> None:
    (toy / DATA).mkdir(parents=True)
    if name == "models.lock":
        (toy / DATA / name).mkdir()
    else:
        (toy / DATA / name).write_bytes(b"a file of the user's")
    for words in ((), ("--fresh",)):
        answer = orchestrate(toy, *QUICK, *words)
        assert answer.code == 2, answer.err
        assert name in answer.err and "run the same command again" in answer.err
    assert orchestrate(toy, "status").code in (0, 2)


@pytest.mark.parametrize("name", ["restore_journal.json", "restored_files.json"])
def test_folder_in_place_of_a_state_file_is_moved_aside(toy: Path, name: str) -> None:
    (toy / DATA / name).mkdir(parents=True)
    (toy / DATA / name / "x").write_bytes(b"in a folder")
    successful_output(orchestrate(toy, *QUICK))
    assert b"in a folder" in set(contents(toy / DATA))


def _changed(plain: dict[str, Any], **values: Any) -> str:
    return json.dumps({**plain, **values})


@pytest.mark.parametrize(
    "make",
    first_cases(
        5,
        [
            lambda plain: _changed(plain, files=[]),
            lambda plain: "[" * 100_000 + "]" * 100_000,
            lambda plain: '{"identity": ' + '{"a": ' * 100_000 + "1" + "}" * 100_001,
            lambda plain: _changed(plain, identity=None),
            lambda plain: _changed(plain, identity={"algorithm": 5, "seed": []}),
            lambda plain: _changed(plain, saved_at=5),
            lambda plain: _changed(plain, stamp=None),
            lambda plain: _changed(plain, stamp={"lineage_id": plain["stamp"]["lineage_id"]}),
            lambda plain: _changed(plain, stamp={**plain["stamp"], "session": "x"}),
            lambda plain: _changed(plain, files=[{**plain["files"][0], "path": 5}]),
            lambda plain: _changed(plain, files=[{**plain["files"][0], "path": "a" * 5000}]),
            lambda plain: _changed(plain, files=[{**plain["files"][0], "path": "a\0b"}]),
            lambda plain: _changed(plain, files=7),
            lambda plain: _changed(plain, ancestry={"a": 1}),
            lambda plain: _changed(plain, steps="40"),
            lambda plain: _changed(plain, steps=1e999).replace("Infinity", "1e999"),
            lambda plain: "5",
            lambda plain: "",
        ],
    ),
)
def test_faulty_card_makes_only_its_checkpoint_unusable(toy: Path, make: Any) -> None:
    successful_output(orchestrate(toy, *QUICK, "--target-steps", "20"))
    path = toy / MODELS / f"checkpoints/{STEM}_20_steps.json"
    text = make(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(text, encoding="utf-8")
    status = successful_output(orchestrate(toy, "status"))
    assert f"✗ {STEM}_20_steps" in status and "10 steps in place" in status
    output = successful_output(orchestrate(toy, *QUICK))
    assert f"Walking back to {STEM}_10_steps.zip" in output
    assert text.encode() in set(contents(toy / DATA))
    successful_output(orchestrate(toy, *QUICK, "--fresh"))


def test_status_shows_the_rest_beside_broken_cards_and_trials(toy: Path) -> None:
    successful_output(orchestrate(toy, *QUICK))
    shutil.copy(toy / "configs/sections/section_7_6.yaml", toy / "configs/sections/section_7_1.yaml")
    (toy / "configs/sections/section_7_0.yaml").write_text("{", encoding="utf-8")
    (toy / SECTION / "trials/deadbeef/data").mkdir(parents=True)
    (toy / SECTION / "trials/deadbeef/data/models").write_bytes(b"a file")
    answer = orchestrate(toy, "status")
    assert answer.code == 2
    assert "section_7_6: 40 steps in place" in answer.out
    assert "section_7_0: its card cannot be used\n  ✗ " in answer.out
    assert "section_7_6 trial deadbeef: its models cannot be shown\n  ✗ " in answer.out
    assert "Latest runs" in answer.out
    rows = orchestrate(toy, "status", "--json").json["models"]
    assert [row["trial"] for row in rows if row.get("problem")][-1] == "deadbeef"
