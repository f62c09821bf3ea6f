"""`init`: write a small project of the user's own, complete and ready to run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.stores.scaffold.new_project import NewProject, Wanted
    from orchestrator.stores.scaffold.user_script import UserScript

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project; `.` for this one.")]
_Env = Annotated[str | None, typer.Option("--env", help="Gymnasium environment to train on, e.g. CartPole-v1.")]
_Algorithm = Annotated[
    str | None, typer.Option("--algorithm", help="PPO (default), A2C, DQN, QRDQN, SAC or TD3 of stable-baselines3.")
]
_Script = Annotated[Path | None, typer.Option("--script", help="A Python script of yours; copied if outside of DIR.")]
_Section = Annotated[
    str | None, typer.Option("--section", help="Name of the section; default: made from the folder's name.")
]

_LOOP_LINES = (
    "import orchestrator",
    "with orchestrator.session() as run:",
    "    state = run.keep(model=model, optimizer=optimizer)   # whatever the training changes",
    "    for step in run.steps():",
    "        ...                                              # one step of the training",
)
_SB3_LINES = (
    "import orchestrator",
    "with orchestrator.session() as run:",
    '    model = run.sb3(lambda: PPO("MlpPolicy", env, seed=run.seed))',
    "    model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)",
)


def init(
    folder: _Folder,
    env: _Env = None,
    algorithm: _Algorithm = None,
    script: _Script = None,
    section: _Section = None,
    as_json: AsJson = False,
) -> int:
    """Write a project: script, card, campaign, scheduled workflow and README. Never changes an existing file."""
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.scaffold.new_project import compose
    from orchestrator.stores.scaffold.writing import write_new

    wanted = _wanted(folder, env, algorithm, script, section)
    project = compose(wanted)
    kept = _kept(folder, project)
    written = write_new(folder, {name: text for name, text in project.files.items() if name not in kept})
    lines, following = _lines_to_add(wanted.script, project.script), _next_commands(folder, project, kept)
    if as_json:
        print_json(
            {
                "folder": folder.resolve().as_posix(),
                "section": project.section,
                "script": project.script,
                "written": written,
                "kept": kept,
                "add_to_script": lines,
                "next": following,
                "exit_code": 0,
            }
        )
    console = Console(sys.stderr if as_json else sys.stdout)
    console.say(f"Project {folder.resolve()}, section {project.section}", *(f"  wrote {name}" for name in written))
    if not written:
        console.say("  every file is there already")
    console.say(*(f"  kept your {name}" for name in kept), *_warnings(folder, project, wanted.script, kept))
    if lines:
        console.say(
            f"{project.script} does not call orchestrator.session() yet, so nothing of its training is saved.",
            "Add these lines around the training (docs/YOUR_OWN.md has more):",
            *(f"    {line}" for line in lines),
        )
    console.say("Next:", *(f"  {line}" for line in following))
    return 0


def _wanted(folder: Path, env: str | None, algorithm: str | None, script: Path | None, section: str | None) -> Wanted:
    """The checked options.

    Raises:
        BadInput: They contradict each other, or one cannot be used.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.scaffold.algorithms import (
        default_environment,
        known_algorithm,
        module_of_environment,
        require_fitting_actions,
    )
    from orchestrator.stores.scaffold.new_project import Wanted
    from orchestrator.stores.scaffold.user_script import read_script

    if script is not None and (env is not None or algorithm is not None):
        raise BadInput(
            "--script cannot be combined with --env and --algorithm",
            remedy="Your script decides what it trains: leave the other options out.",
        )
    try:
        is_folder = folder.is_dir()
    except OSError as fault:  # a name that the disk cannot have
        raise BadInput(f"{folder}: {fault.strerror or fault}", remedy="Choose another folder.") from fault
    if os.path.lexists(folder) and not is_folder:
        raise BadInput(f"{folder} is no folder", remedy="Give a folder, or a path at which nothing exists yet.")
    chosen = known_algorithm(algorithm) if algorithm is not None else "PPO"
    if algorithm is not None and env is None:
        env = default_environment(chosen)
    if env is not None:
        module_of_environment(env)
        require_fitting_actions(chosen, env)
    own = read_script(folder, script) if script is not None else None
    return Wanted(folder=folder, section=section or "", env=env or "", algorithm=chosen, script=own)


def _kept(folder: Path, project: NewProject) -> list[str]:
    """Files of the user that stay beside the new ones.

    Raises:
        BadInput: Another file is where one of the project must be.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.scaffold.writing import conflicts

    there = conflicts(folder, project.files)
    if in_the_way := [name for name in there if name not in project.keeps]:
        names = ", ".join(in_the_way)
        remedy = "Nothing was written. Move it away, give another DIR"
        if project.script in in_the_way and (folder / project.script).is_file():
            words = f"orchestrator init {_shown(folder)} --script {_shown(folder / project.script)}"
            remedy += f", or train the script that is there: `{words}`"
        elif project.script not in in_the_way:
            remedy += ", or another --section for a second training in this project"
        raise BadInput(f"{names} exists already in {folder.resolve()}", remedy=f"{remedy}.")
    return there


def _lines_to_add(script: UserScript | None, place: str) -> list[str]:
    if script is None or script.has_session:
        return []
    return list(_SB3_LINES if script.uses_sb3 else _LOOP_LINES)


def _warnings(folder: Path, project: NewProject, script: UserScript | None, kept: list[str]) -> list[str]:
    """What the user has to do by hand."""
    from orchestrator.kernel.environment.requirements import requirements_of
    from orchestrator.kernel.outcome import SessionRefused
    from orchestrator.stores.project import ROOT_VARIABLE

    lines = []
    if script is not None and script.left_behind:
        names = ", ".join(script.left_behind)
        lines.append(f"Warning: {script.place} imports {names} from its old folder: copy that into {folder.resolve()}")
    if ".gitignore" in kept and (missing := _missing_lines(folder / ".gitignore", project.files[".gitignore"])):
        lines.append(f"Add to your .gitignore: {' '.join(missing)}")
    try:
        requirements_of(folder, PurePosixPath(project.script).parent)
    except SessionRefused as fault:
        lines.append(f"Warning: no session can start yet: {fault}. {fault.remedy}")
    named = os.environ.get(ROOT_VARIABLE)
    if named and Path(named).resolve() != folder.resolve():
        lines.append(f"Warning: {ROOT_VARIABLE} names {named}, so commands use that project: unset it for this one")
    return lines


def _missing_lines(path: Path, wanted: bytes) -> list[str]:
    own = set(path.read_text(encoding="utf-8", errors="replace").split())
    return [line for line in wanted.decode().splitlines() if line and not line.startswith("#") and line not in own]


def _next_commands(folder: Path, project: NewProject, kept: list[str]) -> list[str]:
    from orchestrator.stores.scaffold.new_project import requirements_of

    here = folder.resolve() == Path.cwd()
    name = project.section
    return [
        *([] if here else [f"cd {_shown(folder)}"]),
        *(f"python -m pip install -r {_shown(Path(file))}" for file in requirements_of(project) if file not in kept),
        f"orchestrator run {name} --quick",
        f"orchestrator campaign run {name}",
        f"orchestrator report {name}",
    ]


def _shown(path: Path) -> str:
    """A path as a word of a command line, in quotes where a shell needs them."""
    text = str(path)
    return text if re.fullmatch(r"[\w./\\:+-]+", text, re.ASCII) else f'"{text}"'
