"""The log files that the environments of a `SubprocVecEnv` hold open, each in its own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.vec_env import SubprocVecEnv

from orchestrator.kernel.reading.json_text import read_json
from orchestrator.kernel.reading.shapes import NUMBER, fields, fits
from orchestrator.kernel.training.kept_state.logs import OpenFiles
from orchestrator.kernel.training.kept_state.rules.recording import InProcess

_ATTRIBUTE = "_orchestrator_files"
_LONGEST_HEADER = 1 << 16
_HEADER = fields({"t_start": NUMBER}, others=True)
_Answer = tuple[dict[str, bytes], dict[str, str]]


def contents_of_workers(env: SubprocVecEnv) -> _Answer:
    """Content and name of each open file, by the number of its process and its place there."""
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for number, (found, named) in enumerate(_ask(env, None)):
        files |= {f"{number}/{place}": content for place, content in found.items()}
        names |= {f"{number}/{place}": name for place, name in named.items()}
    return files, names


def restore_in_workers(env: SubprocVecEnv, files: Mapping[str, bytes], names: Mapping[str, str]) -> None:
    """Put back the content of each open file."""
    for number in range(env.num_envs):
        start = f"{number}/"
        mine = {key.removeprefix(start): content for key, content in files.items() if key.startswith(start)}
        if mine:
            _ask(env, (mine, {key: names.get(start + key, "") for key in mine}), number)


def continue_clocks(files: OpenFiles) -> None:
    """Let the monitors go on counting their seconds from the start that the first line of their file states."""
    for one in files.objects.values():
        writer = getattr(one, "results_writer", None)
        if writer is None or not hasattr(one, "t_start"):
            continue
        try:
            with Path(writer.file_handler.name).open(encoding="utf-8") as stream:
                first = read_json(stream.readline(_LONGEST_HEADER).removeprefix("#"))
        except (OSError, ValueError):  # another writer
            continue
        if fits(_HEADER, first):
            one.t_start = float(first["t_start"])


def _ask(env: SubprocVecEnv, change: _Answer | None, worker: int | None = None) -> list[_Answer]:
    env.set_attr(_ATTRIBUTE, _InWorker(), worker)
    answers: list[_Answer] = env.env_method(_ATTRIBUTE, change, indices=worker)
    return answers


class _InWorker(InProcess):
    """Runs in the process of an environment: the caller's local variable `env` is that environment."""

    def __call__(self, change: _Answer | None) -> _Answer:
        env: Any = sys._getframe(1).f_locals.get("env")
        try:
            files = OpenFiles({"env": env})
            if change is None:
                return files.contents()
            files.restore(*change)
            continue_clocks(files)
        except OSError:  # an error would end the process; the log then goes on where it is
            pass
        return {}, {}
