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
    from orchestrator.stores.scaffold.new_project import NewProject
    from orchestrator.stores.scaffold.user_script import UserScript

_Folder = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="Folder of the project; `.` for this one. Optional with --zoo.")
]
_Env = Annotated[str | None, typer.Option("--env", help="Gymnasium environment to train on, e.g. CartPole-v1.")]
_Algorithm = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        "--algo",
        help="PPO (default) or another of stable-baselines3 and sb3-contrib; with --zoo any algorithm of RL Zoo.",
    ),
]
_Script = Annotated[Path | None, typer.Option("--script", help="A Python script of yours; copied if outside of DIR.")]
_Zoo = Annotated[
    tuple[Path, str] | None,
    typer.Option("--zoo", metavar="FILE ENV", help="Entry of an RL Zoo file: e.g. --zoo ppo.yml CartPole-v1."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")]
_Section = Annotated[
    str | None, typer.Option("--section", help="Name of the section; default: made from the folder's name.")
]


def init(
    folder: _Folder = None,
    env: _Env = None,
    algorithm: _Algorithm = None,
    script: _Script = None,
    zoo: _Zoo = None,
    section: _Section = None,
    dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Write a project: script, card, campaign, scheduled workflow and README. Never changes an existing file."""
    from orchestrator.cli.commands.init_request import InitOptions, requested
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.scaffold.new_project import compose
    from orchestrator.stores.scaffold.writing import write_new

    options = InitOptions(folder=folder, env=env, algorithm=algorithm, script=script, section=section, zoo=zoo)
    wanted, notes = requested(options)
    place, project = wanted.folder, compose(wanted)
    kept = _kept(place, project)
    new = {name: text for name, text in project.files.items() if name not in kept}
    written = list(new) if dry_run else write_new(place, new)
    notes = [*notes, *_warnings(place, project, wanted.script, kept)]
    lines, following = _lines_to_add(wanted.script, project.script), _next_commands(place, project, kept)
    if as_json:
        print_json(
            {
                "folder": place.resolve().as_posix(),
                "section": project.section,
                "script": project.script,
                "written": [] if dry_run else written,
                **({"would_write": written, "script_text": project.files[project.script].decode()} if dry_run else {}),
                "kept": kept,
                "notes": notes,
                "add_to_script": lines,
                "next": following,
                "exit_code": 0,
            }
        )
    console = Console(sys.stderr if as_json else sys.stdout)
    verb = "would write" if dry_run else "wrote"
    console.say(f"Project {place.resolve()}, section {project.section}", *(f"  {verb} {name}" for name in written))
    if not written:
        console.say("  every file is there already")
    console.say(*(f"  kept your {name}" for name in kept), *notes)
    if dry_run:
        console.say("", f"{project.script}:", *project.files[project.script].decode().splitlines())
        return 0
    if lines:
        console.say(
            f"{project.script} does not call orchestrator.session() yet, so nothing of its training is saved.",
            "Add these lines around the training (docs/YOUR_OWN.md has more):",
            *(f"    {line}" for line in lines),
        )
    console.say("Next:", *(f"  {line}" for line in following))
    return 0


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
    from orchestrator.stores.scaffold.session_lines import session_lines

    return list(session_lines(sb3=script.uses_sb3))


def _warnings(folder: Path, project: NewProject, script: UserScript | None, kept: list[str]) -> list[str]:
    """What the user has to do by hand."""
    from orchestrator.kernel.environment.requirements import requirements_of
    from orchestrator.kernel.outcome import SessionRefused
    from orchestrator.stores.project import ROOT_VARIABLE

    lines = []
    if script is not None and script.left_behind:
        names = ", ".join(script.left_behind)
        lines.append(f"Warning: {script.place} imports {names} from its old folder: copy that into {folder.resolve()}")
    if script is not None and script.target is None:
        lines.append(
            f"Warning: {project.script} names no number for session(target=...), and its card has no target either. "
            f"Set target_steps in both profiles of configs/sections/{project.section}.yaml, or call run.finish()"
        )
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
