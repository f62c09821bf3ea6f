"""`run`: carry a section to its target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import (
    AcceptGrade,
    AddSteps,
    Algorithm,
    AsJson,
    BackendName,
    DeadlineS,
    Detach,
    Fresh,
    Quick,
    Section,
    Seed,
    Set,
    TargetSteps,
    build_request,
    relative,
    remarks_on,
)

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.run.next_action import Action
    from orchestrator.core.run.request import RunRequest
    from orchestrator.core.run.summary import RunSummary
    from orchestrator.pipeline.context import RunContext


def run(
    context: typer.Context,
    section: Section,
    quick: Quick = False,
    backend: BackendName = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
    target_steps: TargetSteps = None,
    add_steps: AddSteps = None,
    deadline_s: DeadlineS = None,
    fresh: Fresh = False,
    accept_grade: AcceptGrade = None,
    detach: Detach = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; change nothing.")] = False,
    as_json: AsJson = False,
) -> int:
    """Train a section to its target, in as many sessions as it takes, and judge it."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.stores.project import find_project
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        request = build_request(
            project,
            section,
            quick=quick,
            algorithm=algorithm,
            seed=seed,
            target_steps=target_steps,
            add_steps=add_steps,
            fresh=fresh,
            deadline_s=deadline_s,
            context=context,
            detach=detach,
            accept_grade=accept_grade,
            settings=settings,
        )
        console = Console(sys.stderr if as_json else sys.stdout)
        name = backend or request.card.backend
        side = make_backend(name, project, request.card)
        limits = side.capabilities
        console.say(f"Backend: {name} ({limits.device}), device {limits.session_device or request.card.device}")
        console.say(*remarks_on(project, section, context, request, settings, limits, name))
        with assemble(project, request.card, side, console, only_look=dry_run) as run_context:
            if dry_run:
                return _show_plan(run_context, request, console, as_json)
            return execute_request(run_context, request, console, project.state, as_json)

    return run_command(act, as_json=as_json)


def execute_request(run_context: RunContext, request: RunRequest, console: Console, root: Path, as_json: bool) -> int:
    """Carry a request to its end, tell what came out, and give the exit code."""
    from orchestrator.pipeline.run.runner import execute

    summary = execute(run_context, request)
    console.say(*_closing_lines(summary, root), *_without_effect(request, summary), *_own_file_lines(summary))
    if as_json:
        print_json({**summary.to_json(), "results_dir": relative(summary.results_dir, root)})
    return summary.exit_code


def _own_file_lines(summary: RunSummary) -> list[str]:
    """Names of the files that no session made, so that the user need not look for them after a run."""
    from orchestrator.core.checkpoint.own_files import named

    if not summary.own_files:
        return []
    return ["Files of your own among the models, kept and not used:", *named(summary.own_files)]


def _without_effect(request: RunRequest, summary: RunSummary) -> list[str]:
    """Options that turned out to do nothing."""
    from orchestrator.core.run.weights_only import unneeded

    lines = [] if summary.handle else unneeded(request, summary.expected_grade)
    if request.detach and not summary.handle and not summary.sessions:
        lines.append("--detach had no effect: no session was needed")
    return lines


def _show_plan(run_context: RunContext, request: RunRequest, console: Console, as_json: bool) -> int:
    import json

    from orchestrator.core.run.weights_only import unneeded
    from orchestrator.pipeline.run.runner import preview

    console.say("Dry run: nothing is sent, nothing is changed")
    first, start, push = preview(run_context, request)
    console.say(*_first_lines(first))
    console.say(*unneeded(request, start.comparison.grade.word if start.comparison else None))
    if request.detach:
        console.say("--detach has no effect on a dry run")
    plan = {"action": type(first).__name__.lower(), **push.describe()}
    if as_json:
        print_json(plan)
    else:
        console.say(*json.dumps(plan, indent=2, ensure_ascii=False).splitlines())
    return 0


def _first_lines(first: Action) -> list[str]:
    """What `run` would do before it starts the session that is shown."""
    from orchestrator.core.run.next_action import Collect, Finish, Start, Wait
    from orchestrator.core.run.summary import GOOD_ENDS

    match first:
        case Finish(end=end) if end in GOOD_ENDS:
            return ["Already at the target, and evaluated: `run` would send nothing. The next session would be:"]
        case Finish(in_flight=None, end=end):
            return [f"First: the run ends ({end}). The next session would be:"]
        case Wait(record=record) | Finish(in_flight=record) if record is not None:
            return [f"First: wait for session {record.slug}, which is in flight. The next session would be:"]
        case Collect(record=record):
            return [f"First: look once more at the outputs of {record.slug}. The next session would be:"]
        case Start(walk_back=due) if due is not None:
            return [f"First: {due.account}; go back to the checkpoint before it."]
    return []


def _closing_lines(summary: RunSummary, root: Path) -> list[str]:
    from orchestrator.core.session.end_reason import RUN_REMEDIES

    if summary.handle:
        return [f"In flight: {summary.handle}", f"`python -m orchestrator attach {summary.section}` goes on with it."]
    ends = {
        "at_target": f"Already at the target: {summary.steps_done} steps done, target {summary.target_steps}",
        "finished": f"Target reached: {summary.steps_done} steps, target {summary.target_steps}",
    }
    lines = [ends.get(summary.end_reason, f"Run ended: {summary.end_reason} at {summary.steps_done} steps")]
    if summary.end_reason in RUN_REMEDIES:
        lines.append(RUN_REMEDIES[summary.end_reason].format(section=summary.section))
    if summary.sessions:
        grade = f", resume grade {summary.resume_grade}" if summary.resume_grade else ""
        lines.append(f"From {summary.steps_start} steps, {summary.sessions} session(s){grade}")
        lines += [f"  - {reason}" for reason in summary.resume_reasons]
    lines.append(f"Verdict: {summary.verdict or 'none'}")
    lines += [f"  {reason}" for reason in summary.verdict_reasons]
    if summary.results_dir:
        lines.append(f"Results: {relative(summary.results_dir, root)}")
    lines.append(f"Models: {relative(summary.models_dir, root)}")
    return lines
