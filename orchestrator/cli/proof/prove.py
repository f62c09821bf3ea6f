"""`prove`: train straight and cut, and compare every part; for a script and for a section."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import AsJson, Quick

if TYPE_CHECKING:
    from orchestrator.cli.proof.proof_run import CutRequest
    from orchestrator.stores.project import Project

_Target = Annotated[str, typer.Argument(metavar="SCRIPT|SECTION", help="A script, e.g. train.py, or a section.")]
_Words = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGUMENTS]", help="Arguments of the script.")]
_Cuts = Annotated[int, typer.Option("--cuts", help="Number of cuts, spread over the training.")]
_At = Annotated[str | None, typer.Option("--at", help="Cut at these steps instead, e.g. 120,340.")]
_CutSeed = Annotated[int, typer.Option("--seed", help="Seed that draws the cuts.")]
_Steps = Annotated[int | None, typer.Option("--steps", help="Train to this step only; default: the whole training.")]
_Kill = Annotated[bool, typer.Option("--kill", help="Cut by kill -9, one pass after a save, instead of a clean stop.")]
_Kills = Annotated[int, typer.Option("--kills", help="Only this many of the cuts are a kill -9; --seed draws which.")]
_LimitS = Annotated[float, typer.Option("--limit-s", help="Longest duration of one process of a script, in seconds.")]
_Badge = Annotated[Path | None, typer.Option("--badge", help="Write the badge to this .svg file.")]
_Keep = Annotated[Path | None, typer.Option("--keep", help="Work in this new folder and keep it.")]


def prove(
    target: _Target,
    words: _Words = None,
    cuts: _Cuts = 3,
    at: _At = None,
    seed: _CutSeed = 0,
    steps: _Steps = None,
    kill: _Kill = False,
    kills: _Kills = 0,
    quick: Quick = False,
    limit_s: _LimitS = 3600.0,
    badge: _Badge = None,
    keep: _Keep = None,
    as_json: AsJson = False,
) -> int:
    """Train straight, straight again and cut; compare every part; exit 0 only if the resume is exact, else 1.

    A script runs as `python SCRIPT` in the current folder, three times, with fresh folders for its checkpoints.
    A section runs through the local backend in temporary folders.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.proof_run import CutRequest
    from orchestrator.cli.proof.proof_steps import prove_script, prove_section, prove_with_controls
    from orchestrator.cli.proof.prove_resume import proof_folder

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins(f"Preparing the proof of {target}")
    request = CutRequest(cuts=cuts, at=_numbers(at), seed=seed, kills=None if kill else kills, steps=steps)
    _check(request, limit_s)
    project = None if _is_script(target) else _project(target)
    if project is not None and words:
        _refuse_words(words)
    with proof_folder(keep) as folder:
        if project is None:
            outcome = prove_script(Path(target), words or [], request, limit_s=limit_s, folder=folder, console=console)
        elif _has_own_proof(project, target):
            return prove_with_controls(project, target, request, folder=folder, console=console, as_json=as_json)
        else:
            profile = "quick" if quick else "full"
            outcome = prove_section(project, target, profile, request, folder=folder, console=console)
    return outcome.conclude(badge, console, as_json=as_json)


def _is_script(target: str) -> bool:
    return target.endswith(".py") or "/" in target or "\\" in target or Path(target).is_file()


def _project(section: str) -> Project:
    """The project, if it has this section.

    Raises:
        BadInput: There is no project here, it has no such section, or the section saves no checkpoint.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.core.section.overrides import counts_steps
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import load_card

    project = find_project()
    if not counts_steps(load_card(project.cards, section)):
        raise BadInput(
            f"{section} counts no steps and saves no checkpoint: there is no resume to prove",
            remedy="Give its profiles target_steps in the card if it does train step by step.",
        )
    return project


def _has_own_proof(project: Project, section: str) -> bool:
    """Whether the section brings a module for the proof of stable-baselines3 with controls."""
    from orchestrator.cli.proof.prove_resume_steps import proof_file
    from orchestrator.stores.section.card_yaml import load_card

    file = proof_file(load_card(project.cards, section))
    return file is not None and (project.code / file).is_file()


def _refuse_words(words: list[str]) -> None:
    from orchestrator.core.errors import BadInput

    raise BadInput(
        f"a section takes no arguments, but {words[0]!r} was given",
        remedy="Put the value into `settings` of its card, or prove its script: orchestrator prove train.py -- ...",
    )


def _numbers(text: str | None) -> tuple[int, ...]:
    from orchestrator.core.errors import BadInput

    try:
        return tuple(int(word) for word in text.split(",")) if text else ()
    except ValueError:
        raise BadInput(f"--at cannot be {text!r}", remedy="Give steps joined by commas, e.g. --at 120,340.") from None


def _check(request: CutRequest, limit_s: float) -> None:
    """Refuse impossible numbers before anything is trained.

    Raises:
        BadInput: A number lies outside its range.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.core.proof.cuts import MOST_CUTS
    from orchestrator.kernel.training.settings import MOST_STEPS

    if not 1 <= max(request.cuts, len(request.at)) <= MOST_CUTS or request.cuts < 1:
        raise BadInput(f"--cuts takes 1 to {MOST_CUTS}", remedy="Each cut is a process of its own; 3 is usual.")
    if request.kills is not None and not 0 <= request.kills <= max(request.cuts, len(request.at)):
        raise BadInput(
            f"--kills takes 0 to the number of cuts, not {request.kills}",
            remedy="Give --kill to make every cut a kill -9.",
        )
    if request.steps is not None and not 1 <= request.steps <= MOST_STEPS:
        raise BadInput(f"--steps takes 1 to {MOST_STEPS}, not {request.steps}", remedy="Give a number in that range.")
    if not 0 < limit_s < float("inf"):
        raise BadInput(f"--limit-s must be above 0, not {limit_s}", remedy="Give seconds.")
