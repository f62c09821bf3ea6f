"""A checkpoint that was edited, or comes from somebody else, never chooses where a session writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env

from orchestrator.sb3.logs.curves import Curves
from orchestrator.sb3.logs.event_files import curves_of, folder_of
from orchestrator.sb3.logs.written_files import own_paths, restore_files_of_callbacks
from orchestrator.sb3.script.callback_state import restore_callbacks
from orchestrator.sb3.state.algorithm_state import restore_own

EVIL = ["{0}/evil", "../evil", "inside/../../evil", "link/evil", "~/evil", "{0}", ".."]
OF_WINDOWS = ["C:\\evil", "C:evil", "\\\\server\\share\\evil", "..\\evil"]
"""Absolute, upwards, through a link, and a home folder; then paths that lead out on Windows."""


class Notes(BaseCallback):
    """A user's own callback with a file, and a folder that it chooses later."""

    def __init__(self) -> None:
        super().__init__()
        self.path = "notes.txt"
        self.later: str | None = None

    def _on_step(self) -> bool:
        return True


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a session, with a link out of it."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(here)
    return here


def _ppo(**arguments: Any) -> PPO:
    small: dict[str, Any] = {"policy_kwargs": {"net_arch": [4]}, "n_steps": 16, "batch_size": 16, "n_epochs": 1}
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", 1), **small, **arguments)


def _restored(callbacks: list[Any], **saved: Any) -> None:
    """Restore the callbacks from a checkpoint in which these attributes were edited."""
    trees: list[dict[str, Any]] = []
    for one in callbacks:
        state = [[name, value] for name, value in vars(one).items() if isinstance(value, str | int | None)]
        edited = {name: value for name, value in saved.items() if name in vars(one)}
        trees.append({"kind": type(one).__qualname__, "state": [*state, *map(list, edited.items())]})
    assert restore_callbacks(callbacks, trees, _ppo(), Notes()) is None


@pytest.mark.parametrize("evil", [*EVIL, *(OF_WINDOWS if sys.platform == "win32" else ())])
def test_a_path_in_the_state_of_a_callback_leads_nowhere(evil: str, place: Path) -> None:
    evil = evil.format(place.parent)
    saving, notes = CheckpointCallback(10, "saved", name_prefix="mine"), Notes()
    evaluating = EvalCallback(make_vec_env("CartPole-v1", 1), log_path="eval", best_model_save_path="best", warn=False)
    edited = ("save_path", "name_prefix", "log_path", "best_model_save_path", "path", "later")
    _restored([saving, evaluating, notes], **dict.fromkeys(edited, evil))
    assert (saving.save_path, saving.name_prefix) == ("saved", "mine")
    assert (evaluating.log_path, evaluating.best_model_save_path) == (str(Path("eval/evaluations")), "best")
    assert (notes.path, notes.later) == ("notes.txt", None)


def test_a_path_inside_of_the_current_folder_is_state(place: Path) -> None:
    notes = Notes()
    _restored([notes], path="logs/second.txt", later=str(place / "logs/best"))
    assert (notes.path, notes.later) == ("logs/second.txt", str(place / "logs/best"))


def test_files_are_written_only_where_the_script_itself_writes(place: Path) -> None:
    saving, notes = CheckpointCallback(10, "saved", name_prefix="mine"), Notes()
    callbacks: dict[str, BaseCallback] = {"a": saving, "b": notes}
    chosen = own_paths(callbacks.values())
    (place / "train.py").write_text("import orchestrator\n", encoding="utf-8")
    notes.later = "train.py"  # from the checkpoint
    names = [
        "../x_10_steps.zip",
        "{0}/mine_10_steps.zip",
        "mine_1/../../x_1_steps.zip",
        "x.py",
        "mine_1_steps.py/..",
        "",
    ]
    files = {
        f"a:{name.format(place.parent)}": b"evil" for name in (*names, "..\\mine_10_steps.zip", "mine_10_steps.zip")
    }
    files |= {"b:later=": b"imp", "b:path=": b"notes", "c:path=": b"evil"}
    assert restore_files_of_callbacks(callbacks, files, chosen) == []
    found = {path.relative_to(place.parent).as_posix() for path in place.parent.rglob("*") if path.is_file()}
    assert found == {"here/train.py", "here/saved/mine_10_steps.zip", "here/notes.txt"}
    assert (place / "train.py").read_text(encoding="utf-8") == "import orchestrator\n"


@pytest.mark.parametrize("folder", ["..", "../other_1", "other_1", "{0}", "", "run_1/../../x_1", "C:run_1", "run_x"])
def test_the_curves_stay_in_the_folder_of_this_training(folder: str, place: Path) -> None:
    model = _ppo(tensorboard_log="tb")
    model._setup_learn(16, reset_num_timesteps=False)
    (output,) = curves_of(model.logger)
    now = folder_of(output)
    others = [place / "events.out.tfevents.1.a", place / "tb/events.out.tfevents.1.a", place / "tb/other_1/tfevents"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"points")
    curves, tree = Curves(place / "models", remembers=False), {"folder": folder.format(place), "others": []}
    curves._continue(output, tree, {}, 0, given=False, steps=0)
    assert folder_of(output) == now
    assert all(path.read_bytes() == b"points" for path in others)
    output.close()


def test_the_folder_of_the_curves_is_not_taken_from_a_checkpoint(place: Path) -> None:
    model = _ppo(tensorboard_log="tb")
    evil = str(place.parent / "evil")
    restore_own(model, [["tensorboard_log", evil], ["policy_class", evil], ["_custom_logger", True]])
    assert model.tensorboard_log == "tb" and model.policy_class is not evil and not model._custom_logger


def test_a_path_beside_a_link_of_the_script_is_kept(place: Path) -> None:
    """The script may choose any folder; only the checkpoint may not."""
    saving = CheckpointCallback(10, os.fspath(place / "link/mine"))
    _restored([saving], save_path="saved")
    assert saving.save_path == os.fspath(place / "link/mine")
