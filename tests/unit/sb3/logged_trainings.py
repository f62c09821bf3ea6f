"""Trainings with every kind of log, run in one piece and cut, and readers of their logs without the wall times."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import orchestrator
from orchestrator.kernel.training.run import Run

_WALL = ("time/fps", "time/time_elapsed", "wall_time", "t")
_CUT: list[tuple[int, int]] = []
"""Step and signal; not in the callback, whose attributes a resume restores."""


class Cut(BaseCallback):
    """Sends the process a signal in the step after these."""

    def _on_step(self) -> bool:
        if _CUT and self.num_timesteps >= _CUT[0][0]:
            os.kill(os.getpid(), _CUT.pop()[1])
        return True


Learn = Callable[[Run, Cut], None]


def session(root: Path, learn: Learn, cut: tuple[int, int] | None = None, **settings: Any) -> int:
    """Run one session in a fresh process, in the folder `root`; returns its exit code, negative after a signal."""
    root.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.chdir(root)
        forkserver._forkserver._forkserver_pid = None  # that of the tests' process is no child of this one
        _CUT[:] = [] if cut is None else [cut]
        settings = {"target": 400, "seed": 3, "save_every": 60, "folder": root / "run", **settings}
        with orchestrator.session(**settings) as run:
            learn(run, Cut())
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def straight_and_cut(root: Path, learn: Learn, **settings: Any) -> tuple[Path, Path]:
    """Folders of a training in one session, and of the same one with a SIGTERM, two SIGKILLs and a SIGTERM."""
    straight, cut = root / "straight", root / "cut"
    assert session(straight, learn, **settings) == 0
    ends = [
        session(cut, learn, at, **settings)
        for at in ((30, signal.SIGKILL), (90, signal.SIGTERM), (200, signal.SIGKILL), (300, signal.SIGTERM), None)
    ]
    assert ends == [-9, 75, -9, 75, 0]
    return straight, cut


def learning(build: Callable[[], BaseAlgorithm], *callbacks: Callable[[], BaseCallback], **arguments: Any) -> Learn:
    """A script's training: `learn` with callbacks that are made in each session."""

    def learn(run: Run, cut: Cut) -> None:
        model = run.sb3(build)
        made = [one() for one in callbacks]
        model.learn(run.remaining, callback=[*made, cut, run.callback], reset_num_timesteps=False, **arguments)

    return learn


def points(folder: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Run -> tag -> step and value of every point in every event file below a folder."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for run in sorted({path.parent for path in folder.rglob("*tfevents*")}):
        events = EventAccumulator(str(run), size_guidance={"scalars": 0})
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag not in _WALL]
        found[str(run.relative_to(folder))] = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags
        }
    return found


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file without the columns of wall times; comments of a monitor file are kept as rows."""
    lines = path.read_text(encoding="utf-8").splitlines()
    notes = [{"#": str(sorted(json.loads(line[1:])))} for line in lines if line.startswith("#")]
    read: Iterator[dict[str, str]] = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [*notes, *({name: row[name] for name in sorted(row) if name not in _WALL} for row in read)]


def objects(path: Path) -> list[dict[str, Any]]:
    """Lines of a json log without wall times."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [{name: line[name] for name in sorted(line) if name not in _WALL} for line in lines]


def evaluations(path: Path) -> dict[str, list[Any]]:
    """The arrays of an `evaluations.npz`."""
    with np.load(path) as arrays:
        return {name: arrays[name].tolist() for name in arrays}
