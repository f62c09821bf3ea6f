"""`run`: train a section to its target."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, NewImage, RunOptions

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.autopsy.verdicts import Autopsy
    from orchestrator.core.run.actions import Action
    from orchestrator.core.run.request import RunRequest
    from orchestrator.core.run.summary import RunSummary
    from orchestrator.pipeline.context import RunContext

_Detach = Annotated[
    bool, typer.Option("--detach", help="Leave as soon as a session is in flight; `attach` continues with it.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; change nothing.")]


def run(
    options: RunOptions,
    detach: _Detach = False,
    dry_run: _DryRun = False,
    new_image: NewImage = False,
    as_json: AsJson = False,
) -> int:
    """Train a section to its target, in as many sessions as needed, and evaluate it."""
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.project import find_project
    from orchestrator.stores.system_clock import SystemClock
    from orchestrator.wiring import assemble, make_backend

    project = find_project()
    request = options.request(project, detach=detach)
    if new_image:
        request = replace(request, new_image_before=SystemClock().now())
    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins("Reading the project")
    name = options.backend or request.card.backend
    backend = make_backend(name, project, request.card)
    limits = backend.capabilities
    console.say(f"Backend: {name} ({limits.device}), device {limits.session_device or request.card.device}")
    if project.shipped:
        console.say(f"No project here: a section of this installation, with checkpoints below {project.state}")
    console.say(*options.without_effect(project, request, limits, name))
    if new_image and not limits.keeps_images:
        console.say(f"--new-image has no effect: backend {name} has no images")
    with assemble(project, request.card, backend, console, only_look=dry_run) as run_context:
        if dry_run:
            return _show_plan(run_context, request, console, as_json)
        return execute_request(run_context, request, console, project.state, as_json)


def execute_request(run_context: RunContext, request: RunRequest, console: Console, root: Path, as_json: bool) -> int:
    """Run a request to its end, print the result, and return the exit code."""
    from orchestrator.pipeline.run.runner import execute

    summary = execute(run_context, request)
    examined = _examined(run_context, summary)
    console.say(*_closing_lines(summary, root, examined), *_without_effect(request, summary), *_own_file_lines(summary))
    if as_json:
        why = {} if examined is None else {"autopsy": examined.to_json()}
        print_json({**summary.to_json(), "results_dir": _relative(summary.results_dir, root), **why})
    return summary.exit_code


def _examined(run_context: RunContext, summary: RunSummary) -> Autopsy | None:
    """Why the run ended badly; None if it did not, or goes on."""
    from orchestrator.core.run.summary import GOOD_ENDS
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.autopsies import Autopsies

    if summary.handle or summary.end_reason in GOOD_ENDS:
        return None
    return Autopsies(find_project(), run_context.ledger).of_run(summary.run_id)


def _own_file_lines(summary: RunSummary) -> list[str]:
    """Names of the files that no session made, so that the user need not look for them after a run."""
    from orchestrator.core.checkpoint.inventory import named

    if not summary.own_files:
        return []
    return ["Files of your own among the models, kept and not used:", *named(summary.own_files)]


def _without_effect(request: RunRequest, summary: RunSummary) -> list[str]:
    """Options that turned out to have no effect."""
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
    console.say(*_first_lines(first, push.ticket.spec["target_steps"]))
    console.say(*unneeded(request, start.comparison.grade.word if start.comparison else None))
    if request.detach:
        console.say("--detach has no effect on a dry run")
    advice = _gpu_advice(run_context, request)
    console.say(*advice)
    plan = {"action": type(first).__name__.lower(), **push.describe(), **({"gpu_advice": advice} if advice else {})}
    if as_json:
        print_json(plan)
    else:
        console.say(*json.dumps(plan, indent=2, ensure_ascii=False).splitlines())
    return 0


def _gpu_advice(run_context: RunContext, request: RunRequest) -> list[str]:
    """Lines for a section that asks Kaggle for a GPU with nothing to do there."""
    from orchestrator.core.scheduling.gpu_use import CPU_REMEDY, gpu_advice, kind_speeds

    if run_context.backend.name != "kaggle":
        return []
    advice = gpu_advice(request.card, kind_speeds(run_context.ledger.sessions(), request.card))
    return [advice, CPU_REMEDY] if advice else []


def _first_lines(first: Action, target_steps: int | None) -> list[str]:
    """What `run` would do before it starts the session that is shown.

    Args:
        target_steps: Of that session, None if its section decides.
    """
    from orchestrator.core.run.actions import Adopt, Collect, Finish, Start, Wait
    from orchestrator.core.run.summary import GOOD_ENDS

    match first:
        case Adopt():
            return ["First: continue with sessions that the ledger lacks. After them, the next session could be:"]
        case Finish(end=end) if end in GOOD_ENDS:
            already = "Already finished" if target_steps is None else "Already at the target, and evaluated"
            return [f"{already}: `run` would send nothing. The next session would be:"]
        case Finish(in_flight=None, end=end):
            return [f"First: the run ends ({end}). The next session would be:"]
        case Wait(record=record) if record.handle is None:
            return [f"First: look whether session {record.slug} was started. The next session would be:"]
        case Wait(record=record) | Finish(in_flight=record) if record is not None:
            return [f"First: wait for session {record.slug}, which is in flight. The next session would be:"]
        case Collect(record=record, keep=False):
            return [f"First: ask session {record.slug}, which is in flight, to end. The next session would be:"]
        case Collect(record=record):
            return [f"First: look once more at the outputs of {record.slug}. The next session would be:"]
        case Start(walk_back=due) if due is not None:
            return [f"First: {due.account}; go back to the checkpoint before it."]
    return []


def _closing_lines(summary: RunSummary, root: Path, examined: Autopsy | None) -> list[str]:
    from orchestrator.core.session.end_reason import RUN_REMEDIES
    from orchestrator.kernel.checkpoint.adopted import adopted_line

    if summary.handle:
        return [
            f"In flight: {summary.handle}",
            f"Continue with `python -m orchestrator attach {summary.section}`.",
        ]
    lines = [_end_line(summary)]
    if summary.end_reason in RUN_REMEDIES:
        lines.append(RUN_REMEDIES[summary.end_reason].format(section=summary.section))
    if examined is not None:
        lines += [f"Why: {examined.sentence}", f"{examined.advice} Evidence: `{examined.why}`"]
    if summary.sessions:
        grade = f", resume grade {summary.resume_grade}" if summary.resume_grade else ""
        begin = "" if _without_steps(summary) else f"From {summary.steps_start} steps, "
        lines.append(f"{begin}{summary.sessions} session(s){grade}")
        lines += [f"  - {reason}" for reason in summary.resume_reasons]
    if summary.adopted is not None:
        lines.append(f"Lineage: {adopted_line(summary.adopted)}")
    lines += _verdict_lines(summary)
    lines += [f"  {reason}" for reason in summary.verdict_reasons]
    if summary.results_dir:
        lines.append(f"Results: {_relative(summary.results_dir, root)}")
    lines.append(f"Models: {_relative(summary.models_dir, root)}")
    return lines


def _end_line(summary: RunSummary) -> str:
    done, target = summary.steps_done, summary.target_steps
    if summary.end_reason not in ("at_target", "finished"):
        return f"Run ended: {summary.end_reason} at {done} steps"
    already = summary.end_reason == "at_target"
    if target is not None and done >= target:
        if already:
            return f"Already at the target: {done} steps done, target {target}"
        return f"Target reached: {done} steps, target {target}"
    if _without_steps(summary):
        return "Already finished; --fresh runs it again" if already else "Finished"
    below = "" if target is None else f", below the target of {target}"  # its section has declared it finished
    return f"Already finished: {done} steps done{below}" if already else f"Finished: {done} steps{below}"


def _without_steps(summary: RunSummary) -> bool:
    """Whether the run was finished and its section counted no steps."""
    return summary.end_reason in ("at_target", "finished") and summary.target_steps is None and not summary.steps_done


def _verdict_lines(summary: RunSummary) -> list[str]:
    if summary.no_claim:
        return ["Finished, no claim: this section trains and reports no verdict"]
    lines = [f"Verdict: {summary.verdict or 'none'}"]
    if summary.lacks_verdict:
        ended = "ran to its end" if _without_steps(summary) else "reached its target"
        lines += [
            f"Problem: {summary.section} has criteria, {ended} and reported no verdict (exit code 1)",
            "If it draws no conclusion, remove the criteria from its card, or return SectionOutcome(..., claim=False).",
        ]
    return lines


def _relative(path: str | None, root: Path) -> str | None:
    """A path inside the project relative to its root, any other path whole; with forward slashes."""
    if path is None:
        return None
    place = Path(path)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
