"""What `init` is asked for: checks its options, and the environment that they name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.stores.scaffold.environment_check import EnvironmentCheck
    from orchestrator.stores.scaffold.new_project import Wanted
    from orchestrator.stores.scaffold.zoo_script import ZooTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """The options of `init`, as given; None where one is not."""

    folder: Path | None
    env: str | None
    algorithm: str | None
    script: Path | None
    section: str | None
    zoo: tuple[Path, str] | None


def requested(options: InitOptions) -> tuple[Wanted, list[str]]:
    """The checked options, and sentences for the user.

    Raises:
        BadInput: They contradict each other, or one cannot be used.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.scaffold.algorithms import default_environment, known_algorithm
    from orchestrator.stores.scaffold.new_project import Wanted
    from orchestrator.stores.scaffold.user_script import read_script

    if options.script is not None and (options.env is not None or options.algorithm is not None):
        raise BadInput(
            "--script cannot be combined with --env and --algorithm",
            remedy="Your script decides what it trains: leave the other options out.",
        )
    if options.zoo is not None and (options.script is not None or options.env is not None):
        raise BadInput(
            "--zoo cannot be combined with --script and --env",
            remedy="Give --zoo FILE ENV alone: it names the environment, and the script is written from the entry.",
        )
    folder = _folder(options)
    if options.zoo is not None:
        training, notes = _zoo_training(folder, *options.zoo, options.algorithm)
        return Wanted(folder=folder, section=options.section or "", zoo=training), notes
    env, notes = options.env, []
    chosen = known_algorithm(options.algorithm) if options.algorithm is not None else "PPO"
    if options.algorithm is not None and env is None:
        env = default_environment(chosen)
    if env is not None:
        notes = _environment_notes(env, chosen, _checked_environment(env))
    own = read_script(folder, options.script) if options.script is not None else None
    return Wanted(folder=folder, section=options.section or "", env=env or "", algorithm=chosen, script=own), notes


def _folder(options: InitOptions) -> Path:
    """The project's folder; with `--zoo` a new one named by file and environment if none is given."""
    from orchestrator.core.errors import BadInput

    folder = options.folder
    if folder is None:
        if options.zoo is None:
            raise BadInput("DIR is missing", remedy="Name the project's folder: `orchestrator init .` for this one.")
        file, env = options.zoo
        folder = Path(re.sub(r"[^A-Za-z0-9._-]+", "-", f"{options.algorithm or file.stem}-{env}").strip("-."))
    try:
        is_folder = folder.is_dir()
    except OSError as fault:  # a name that the disk cannot have
        raise BadInput(f"{folder}: {fault.strerror or fault}", remedy="Choose another folder.") from fault
    if os.path.lexists(folder) and not is_folder:
        raise BadInput(f"{folder} is no folder", remedy="Give a folder, or a path at which nothing exists yet.")
    return folder


def _checked_environment(env: str) -> EnvironmentCheck:
    """What gymnasium knows of an environment.

    Raises:
        BadInput: It is no id.
    """
    from orchestrator.stores.scaffold.algorithms import module_of_environment
    from orchestrator.stores.scaffold.environment_check import EnvironmentCheck, check_environment

    module = module_of_environment(env)
    if module:  # code of the user, which a new project must not run
        return EnvironmentCheck(found="unknown", why=f"{module} registers it, and was not run")
    return check_environment(env)


def _environment_notes(
    env: str, algorithm: str, check: EnvironmentCheck, known: tuple[str, ...] = (), other: str = ""
) -> list[str]:
    """Sentences on an environment that may not work here.

    Args:
        known: Other ids that may be meant.
        other: What to do if the algorithm cannot take its actions; empty for the usual hint.

    Raises:
        BadInput: gymnasium has no such environment, or the algorithm cannot take its actions.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.scaffold.algorithms import require_fitting_actions

    if check.found == "no":
        near = " or ".join(one for one in dict.fromkeys((*known, *check.near)) if one != env)
        hint = f"Did you mean {near}?" if near else "Give an id such as CartPole-v1, or module:Id for one of your own."
        why = check.why.partition(" Did you mean")[0]
        raise BadInput(f"gymnasium has no environment {env}: {why}", remedy=hint)
    require_fitting_actions(algorithm, env, check.actions if check.actions != "other" else "", remedy=other)
    if check.found == "yes":
        return []
    if check.found == "broken":
        return [f"Warning: {env} cannot be built here: {check.why}"]
    install = ""
    if check.pip:
        install = f". Install it before the training ({check.pip}), and write its version into requirements.txt"
    return [f"Note: whether {env} exists could not be checked: {check.why}{install}"]


def _zoo_training(folder: Path, file: Path, env: str, algorithm: str | None) -> tuple[ZooTraining, list[str]]:
    """The training of an RL Zoo entry, and sentences on what differs from RL Zoo or is lacking here.

    Raises:
        BadInput: File, entry or environment cannot be used.
    """
    import difflib

    from orchestrator.core.errors import BadInput
    from orchestrator.stores.scaffold.zoo_notes import zoo_notes
    from orchestrator.stores.scaffold.zoo_script import ZooTraining
    from orchestrator.stores.zoo.hyperparameter_file import choose_entry, read_zoo_file

    if env.startswith("-"):
        raise BadInput(f"--zoo takes two words, and the second is {env}", remedy="Write --zoo FILE ENV.")
    zoo = read_zoo_file(file, algorithm)
    check = _checked_environment(env)
    if check.found == "no" and env in zoo.environments and not check.near:
        remedy = f"Name the module that registers it, as in `--zoo {file.name} my_package:{env}`."
        raise BadInput(f"gymnasium has no environment {env}, though {zoo.path.name} has an entry", remedy=remedy)
    if check.found == "no":
        near = tuple(difflib.get_close_matches(env, zoo.environments, n=1, cutoff=0.8))
        _environment_notes(env, "", check, near)
    exists = True if check.found in ("yes", "broken") else None
    chosen = choose_entry(zoo, env.rpartition(":")[2], exists=exists)
    training = ZooTraining(env=env, entry=chosen.entry, source=f"{zoo.path.name}, {chosen.name}")
    other = "Choose a file for another algorithm, such as ppo.yml, or another environment."
    notes = _environment_notes(env, training.entry.algorithm.name, check, other=other)
    return training, [*notes, *zoo_notes(folder, training, chosen, named_before=check.lacking)]
