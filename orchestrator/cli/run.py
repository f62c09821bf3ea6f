"""`run`: carry a section to its target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.door import print_json, through_door

if TYPE_CHECKING:
    from orchestrator.cli.console import Console
    from orchestrator.core.requests import RunRequest
    from orchestrator.core.summary import RunSummary
    from orchestrator.pipeline.parts import Parts


def run(
    section: Annotated[str, typer.Argument(help="Section to run, for example section_7_6.")],
    quick: Annotated[bool, typer.Option("--quick", envvar="ORCHESTRATOR_QUICK", help="Quick profile.")] = False,
    backend: Annotated[
        str | None, typer.Option(envvar="ORCHESTRATOR_BACKEND", help="local or kaggle; default: the card's.")
    ] = None,
    target_steps: Annotated[
        int | None, typer.Option(envvar="ORCHESTRATOR_TARGET_STEPS", help="Total steps to reach.")
    ] = None,
    add_steps: Annotated[int | None, typer.Option(help="Steps to train beyond those already done.")] = None,
    deadline_s: Annotated[
        float | None,
        typer.Option(envvar="ORCHESTRATOR_DEADLINE_S", help="Seconds that one session may take."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Archive the checkpoints and begin anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")] = False,
) -> int:
    """Train a section to its target, in as many sessions as it takes, and judge it."""

    def act() -> int:
        from orchestrator.cli.console import Console
        from orchestrator.core.requests import RunRequest
        from orchestrator.stores.configs import load_card
        from orchestrator.stores.project import find_project
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        card = load_card(project.cards, section)
        request = RunRequest(
            card=card,
            profile="quick" if quick else "full",
            target_steps=target_steps,
            add_steps=add_steps,
            fresh=fresh,
            deadline_s=deadline_s,
        )
        console = Console(sys.stderr if as_json else sys.stdout)
        name = backend or card.backend
        side = make_backend(name, project, card)
        console.say(f"Backend: {name} ({side.capabilities.device}), device {card.device}")
        with assemble(project, card, side, console, only_look=dry_run) as parts:
            if dry_run:
                return _show_plan(parts, request, console, as_json)
            return _execute(parts, request, console, project.state, as_json)

    return through_door(act, as_json=as_json)


def _execute(parts: Parts, request: RunRequest, console: Console, root: Path, as_json: bool) -> int:
    from orchestrator.pipeline.run import execute

    summary = execute(parts, request)
    console.say(*_closing_lines(summary, root))
    if as_json:
        print_json({**summary.to_json(), "results_dir": _relative(summary.results_dir, root)})
    return summary.exit_code


def _show_plan(parts: Parts, request: RunRequest, console: Console, as_json: bool) -> int:
    import json

    from orchestrator.pipeline.run import plan_first_session

    plan = plan_first_session(parts, request).describe()
    console.say("Dry run: nothing is sent, nothing is changed")
    if as_json:
        print_json(plan)
    else:
        console.say(*json.dumps(plan, indent=2, ensure_ascii=False).splitlines())
    return 0


def _closing_lines(summary: RunSummary, root: Path) -> list[str]:
    from orchestrator.core.endings import RUN_REMEDIES

    ends = {
        "at_target": f"Already at the target: {summary.steps_done} steps done, target {summary.target_steps}",
        "finished": f"Target reached: {summary.steps_done} steps, target {summary.target_steps}",
    }
    lines = [ends.get(summary.end_reason, f"Run ended: {summary.end_reason} at {summary.steps_done} steps")]
    if summary.end_reason in RUN_REMEDIES:
        lines.append(RUN_REMEDIES[summary.end_reason])
    if summary.sessions:
        grade = f", resume grade {summary.resume_grade}" if summary.resume_grade else ""
        lines.append(f"From {summary.steps_start} steps, {summary.sessions} session(s){grade}")
    lines.append(f"Verdict: {summary.verdict or 'none yet'}")
    lines += [f"  {reason}" for reason in summary.verdict_reasons]
    if summary.results_dir:
        lines.append(f"Results: {_relative(summary.results_dir, root)}")
    lines.append(f"Models: {_relative(summary.models_dir, root)}")
    return lines


def _relative(path: str | None, root: Path) -> str | None:
    if path is None:
        return None
    place = Path(path)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
