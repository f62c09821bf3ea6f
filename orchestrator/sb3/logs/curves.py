"""The folder of a training's event files: chosen when it begins, found again by each later session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import TEXTS, fits, mapping
from orchestrator.kernel.training.kept_state.logs import Logs
from orchestrator.sb3.logs.event_files import (
    OnePointPerStep,
    curves_of,
    event_files,
    folder_of,
    last_step,
    move_to,
    own_file,
    restore_files,
    unused_folder,
)

BEGUN_NAME = "curves_begun.json"
"""Names the folders of a training that has no checkpoint yet: killed before it, the training begins there again."""


class Curves:
    """The event files of one training.

    Args:
        models_dir: Where the training's checkpoints are.
        remembers: Whether the next session finds this folder as this session leaves it.
    """

    def __init__(self, models_dir: Path, *, remembers: bool) -> None:
        self._begun, self._remembers = models_dir / BEGUN_NAME, remembers
        self._folders: list[Path] = []
        self._others: list[set[str]] = []

    def settle(self, model: BaseAlgorithm, saved: Logs | None) -> None:
        """Choose the folder of each output before the first point, and restore the files of the checkpoint there."""
        outputs = curves_of(model.logger)
        if self._folders:  # a further call of `learn` in this session
            for output, folder in zip(outputs, self._folders, strict=False):
                if folder_of(output) != folder:
                    move_to(output, folder)
            return
        given = bool(model._custom_logger)  # the user chose the folder
        if saved is not None:
            for index, (output, tree) in enumerate(zip(outputs, saved.tree["curves"], strict=False)):
                self._continue(output, tree, saved.files, index, given=given, steps=model.num_timesteps)
        begun = self._read_begun() if saved is None else {}
        for output in outputs[len(self._folders) :]:
            self._begin(output, begun, given=given)
        if saved is None:
            self._write_begun()
        if self._folders and not given:
            model.logger.dir = str(self._folders[0])

    def contents(self, model: BaseAlgorithm) -> dict[str, bytes]:
        """Key -> content of each event file; complete, since what is in memory is written first."""
        found: dict[str, bytes] = {}
        for index, output in enumerate(curves_of(model.logger) if self._folders else ()):
            output.flush()
            others = self._others[index] if index < len(self._others) else set()
            for path in event_files(folder_of(output)):
                if path.name not in others:
                    found[f"events {index}:{path.name}"] = path.read_bytes()
        return found

    def to_tree(self, model: BaseAlgorithm) -> list[dict[str, Any]]:
        """For `settle` of a later session: the name of each folder, and the files there of other trainings."""
        return [
            {"folder": folder.name, "others": sorted(others)}
            for folder, others in zip(self._folders, self._others, strict=True)
        ]

    def saved(self) -> None:
        """A checkpoint is written: the training no longer begins again."""
        if self._remembers:
            self._begun.unlink(missing_ok=True)

    def _continue(
        self,
        output: OnePointPerStep,
        tree: Mapping[str, Any],
        files: Mapping[str, bytes],
        index: int,
        *,
        given: bool,
        steps: int,
    ) -> None:
        now = folder_of(output)
        # Another name would lead to the files of another training, or out of the folder.
        known = not given and _numbered(str(tree["folder"])) == _numbered(now.name) != ""
        folder = now.with_name(str(tree["folder"])) if known else now
        start = f"events {index}:"
        content = {key.removeprefix(start): one for key, one in files.items() if key.startswith(start)}
        others = set(tree["others"])
        move_to(output, folder)
        restore_files(folder, content, others=others)
        # A running TensorBoard has shown the points of lost work already.
        if last_step(folder) <= steps:
            output.writer.purge_step = steps + 1
        self._folders.append(folder)
        self._others.append(others)

    def _begin(self, output: OnePointPerStep, begun: Mapping[str, list[str]], *, given: bool) -> None:
        folder, file = folder_of(output), own_file(output)
        for one in (Path(path) for path in begun):
            same_name = one.name.rpartition("_")[0] == folder.name.rpartition("_")[0]
            if one == folder or (not given and one.parent == folder.parent and same_name):
                folder = one
        if str(folder) in begun:  # of this training, which was killed before its first checkpoint
            others = set(begun[str(folder)])
            move_to(output, folder)
            restore_files(folder, {}, others=others)
        else:
            others = {path.name for path in event_files(folder) if path != file}
            if others and not given:
                folder, others = unused_folder(folder), set()
                move_to(output, folder)
        self._folders.append(folder)
        self._others.append(others)

    def _read_begun(self) -> dict[str, list[str]]:
        if not self._remembers or not self._begun.is_file():
            return {}
        try:
            plain = read_object(self._begun)
        except Unreadable:  # cut off by a kill
            return {}
        return plain if fits(mapping(TEXTS), plain) else {}

    def _write_begun(self) -> None:
        if self._remembers and self._folders:
            plain = {str(one): sorted(others) for one, others in zip(self._folders, self._others, strict=True)}
            write_json(self._begun, plain)


def _numbered(name: str) -> str:
    """The name of a folder of curves without its number: `PPO` of `PPO_3`; empty for another name."""
    found = re.fullmatch(r"([^/\\:]+)_\d+", name)
    return "" if found is None else found[1]
