"""An adopted checkpoint is put in place completely or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from orchestrator.core.checkpoint.adoption import ForeignModel, adopted_card
from orchestrator.core.errors import BadInput, InUse
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.training.folder_lock import FolderLock
from orchestrator.stores.adoption.placing import place_alone, stage
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory

CONTENT = b"a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MODEL = ForeignModel(
    content=CONTENT, sha256=SHA256, normalization=None, file="m.zip", origin="m.zip", algorithm="PPO", steps=64
)
CARD = adopted_card(
    MODEL,
    scenario="train",
    steps=64,
    identity={"section": "train"},
    section="train",
    lineage_id="c" * 64,
    nonce="d" * 32,
    now=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_the_card_is_bound_to_its_origin() -> None:
    plain = CARD.to_json()
    assert CheckpointCard.from_json(plain) == CARD and CARD.lowest_grade == "weights-only"
    for changed in ({**plain, "adopted": {**plain["adopted"], "steps": 5}}, {**plain, "adopted": {}}):
        with pytest.raises(ValueError, match=r"does not match the digest|is missing"):
            CheckpointCard.from_json(changed)
    del plain["adopted"]
    with pytest.raises(ValueError, match="does not match the digest"):
        CheckpointCard.from_json(plain)


def test_alone_it_is_placed_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    place_alone(tmp_path / "folder", MODEL, CARD)
    assert survey_checkpoints(tmp_path / "folder", "train").verified == (CARD,)
    with pytest.raises(BadInput, match=r"already holds a training \(64 steps\), which is never overwritten"):
        place_alone(tmp_path / "folder", MODEL, CARD)


def test_alone_files_of_the_user_and_another_process_are_respected(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match=r"holds files that are no checkpoint: notes\.txt"):
        place_alone(tmp_path, MODEL, CARD)
    assert (tmp_path / "checkpoints/notes.txt").read_text(encoding="utf-8") == "mine"
    lock = FolderLock(tmp_path)
    try:
        with pytest.raises(InUse, match="another process trains in"):
            place_alone(tmp_path, MODEL, CARD)
    finally:
        lock.release()


def _killed_before_rename(act: Callable[[], object], number: int) -> None:
    """Run `act` and kill the process at its `number`-th rename or change of a folder."""
    calls = 0

    def watch(event: str, arguments: object) -> None:
        nonlocal calls
        if event in ("os.rename", "os.mkdir"):
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    act()


def _alone(folder: Path) -> None:
    place_alone(folder, MODEL, CARD)


def _in_project(folder: Path) -> None:
    models = ModelsDirectory(folder / "models", "train")
    with models.locked():
        models.recover()
        models.replace_with(stage(folder / "staged", MODEL, CARD), "adopted-1")


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize(("place", "where"), [(_alone, "."), (_in_project, "models")])
def test_a_kill_at_any_rename_leaves_nothing_or_the_whole_checkpoint(
    tmp_path: Path, place: Callable[[Path], None], where: str
) -> None:
    fork, killed = get_context("fork"), 0
    for number in range(1, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = fork.Process(target=_killed_before_rename, args=(lambda at=folder: place(at), number))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        killed += 1
        if where == "models":
            ModelsDirectory(folder / where, "train").recover()
        survey = survey_checkpoints(folder / where, "train")
        assert survey.faults == {} and survey.verified in ((), (CARD,)), number
        if not survey.verified:  # the same command again
            if where == "models":
                ModelsDirectory(folder / where, "train").replace_with(stage(folder / "again", MODEL, CARD), "adopted-2")
            else:
                place(folder)
            assert survey_checkpoints(folder / where, "train").verified == (CARD,)
    assert killed >= 3
