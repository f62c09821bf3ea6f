"""What a user of an RL Zoo entry must know: fallbacks, schedules, and modules that are not installed here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.core.zoo.entry import ZooEntry
from orchestrator.stores.scaffold.environment_check import install_command, is_installed
from orchestrator.stores.scaffold.zoo_script import ZooTraining
from orchestrator.stores.zoo.hyperparameter_file import ChosenEntry

EXPLORING = ("DQN", "QRDQN")
"""Algorithms whose exploration rate falls up to a part of the target."""


def zoo_notes(folder: Path, training: ZooTraining, chosen: ChosenEntry, *, named_before: Collection[str]) -> list[str]:
    """Sentences, the most important first.

    Args:
        folder: The project's folder, with modules of the user.
        training: The training.
        chosen: Its entry in the file.
        named_before: Modules whose lack is named already.
    """
    return [
        *_lacking(folder, training, named_before),
        *_fallback(training, chosen),
        *(f"Note: {note}" for note in training.entry.notes),
        *_processes(training),
        *_frames(training),
        *_schedules(training.entry),
    ]


def _lacking(folder: Path, training: ZooTraining, named_before: Collection[str]) -> Iterator[str]:
    named = {one.module.partition(".")[0]: one.path for one in training.entry.calls}
    for module in training.libraries:
        beside = any((folder / name).exists() for name in (module, f"{module}.py"))
        if module in named_before or beside or is_installed(module):
            continue
        use = f"{named[module]} needs {module}, which" if module in named else module
        command = install_command((module,))
        install = f"Install it before the training ({command}), and write its version into requirements.txt"
        remedy = install if command else "Put its code into the project's folder"
        yield f"Warning: {use} is not installed here. {remedy}"


def _fallback(training: ZooTraining, chosen: ChosenEntry) -> Iterator[str]:
    if chosen.name != training.env.rpartition(":")[2]:
        yield f"Note: the file has no entry for {training.env}; as in RL Zoo, its entry `{chosen.name}` is used"
    if chosen.other_version:
        yield (
            f"Note: the file has an entry for {chosen.other_version}. To train with its values, name that environment, "
            "or rename the entry in a copy of the file"
        )


def _processes(training: ZooTraining) -> Iterator[str]:
    if training.n_envs != training.entry.n_envs:
        yield f"Note: n_envs: {training.entry.n_envs} is the number of processes in RL Zoo's ARS; here one evaluates"


def _frames(training: ZooTraining) -> Iterator[str]:
    """A game of ALE repeats each action by itself, and so does the wrapper."""
    skips = any(
        one.name == "AtariWrapper" and one.arguments.get("frame_skip") != 1 for one in training.entry.env_wrapper
    )
    if skips and training.env.startswith("ALE/") and "frameskip" not in training.entry.env_kwargs:
        game = training.env.removeprefix("ALE/").rpartition("-v")[0]
        yield (
            f"Note: {training.env} repeats each action 4 times, and AtariWrapper 4 times more. RL Zoo trains on "
            f"{game}NoFrameskip-v4, which repeats none"
        )


def schedules_of(entry: ZooEntry) -> list[str]:
    """Names of the values that change up to the target."""
    return [*entry.falling, *(["exploration"] if entry.algorithm.name in EXPLORING else [])]


def _schedules(entry: ZooEntry) -> Iterator[str]:
    if names := schedules_of(entry):
        yield (
            f"Note: schedules end at the target ({', '.join(names)}), so quick and full are two trainings; after "
            "quick, begin full with --fresh"
        )
