"""`status`: the checkpoints in place, how far sessions in flight are, and the latest runs and sessions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.core.autopsy.verdicts import Autopsy
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.core.ledger.records import RunRecord, SessionRecord
    from orchestrator.core.session.live_progress import LiveProgress
    from orchestrator.stores.checkpoint.alone_trainings import AloneTraining
    from orchestrator.stores.project import Project

_SHOWN_RUNS = 10


_Section = Annotated[str | None, typer.Argument(help="Show this section only.")]


def status(section: _Section = None, as_json: AsJson = False) -> int:
    """Show the checkpoints of each section and script, sessions in flight, and the latest runs and sessions.

    It looks once at each session in flight, on any backend: steps, rate, time left, reward, time until the deadline.
    It takes no lock, so it works from a second shell while `run` is watching.
    What cannot be read is shown as unreadable, and the rest is still shown; the exit code is then 2.
    """
    from orchestrator.cli.commands.status_alone import alone_lines
    from orchestrator.cli.commands.status_models import model_lines, model_rows
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.stores.checkpoint.alone_trainings import alone_trainings
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import load_card

    project, here = find_project(), Path.cwd()
    alone = [_with_progress(one) for one in alone_trainings(here)] if section is None else []
    if section is not None:
        load_card(project.cards, section)  # an unknown name is refused, with the nearest one
    models = [row for row in model_rows(project) if section in (None, row["section"])]
    runs: list[RunRecord] = []
    sessions: list[SessionRecord] = []
    unreadable: OrchestratorError | None = None
    try:
        runs, sessions = _recorded(project.own / "ledger.sqlite", section)
    except OrchestratorError as fault:
        unreadable = fault
    live = _live(project, runs, sessions)
    failures, code = _failures(project, runs), _exit_code(models, unreadable)
    if as_json:
        print_json(
            {
                "models": models,
                "runs": [{**asdict(run), "steps_now": _steps_now(run, sessions, live)} for run in runs],
                "sessions": [_session_json(session) for session in sessions],
                "in_flight": [one.to_json() for one in live],
                "autopsies": {run_id: one.to_json() for run_id, one in failures.items()},
                "alone": [one.to_json() for one in alone],
                **_problem_json(unreadable),
            }
        )
        return code
    console = Console(sys.stdout)
    console.say(*model_lines(models), *alone_lines(alone, here))
    if unreadable is not None:
        raise unreadable
    if live:
        console.say("In flight:", *(f"  {one.session}  {one.backend}  {one.line}" for one in live))
    if runs or not alone:
        console.say(*(_run_lines(runs, sessions, failures, live) if runs else [_first_command(models, section)]))
    return code


def _with_progress(one: AloneTraining) -> AloneTraining:
    from orchestrator.wiring.live import alone_progress

    live = alone_progress(one.folder, datetime.now(tz=UTC))
    return one if live is None else replace(one, live={**live.to_json(), "line": live.line})


def _exit_code(models: list[dict[str, Any]], unreadable: OrchestratorError | None) -> int:
    from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE

    if unreadable is not None:
        return unreadable.exit_code
    return EXIT_BAD_INPUT if any("problem" in row for row in models) else EXIT_DONE


def _problem_json(unreadable: OrchestratorError | None) -> dict[str, Any]:
    return {} if unreadable is None else {"problem": str(unreadable), "remedy": unreadable.remedy}


def _first_command(models: list[dict[str, Any]], section: str | None) -> str:
    usable = [row["section"] for row in models if section is not None or "problem" not in row]
    if usable:
        return f"No runs yet: python -m orchestrator run {usable[0]} --quick"
    return "No runs yet, and no section that can run: `orchestrator init DIR` writes a project"


def _recorded(path: Path, section: str | None) -> tuple[list[RunRecord], list[SessionRecord]]:
    """Runs and sessions in the ledger, of one section if named. Reading creates no ledger where there is none.

    Raises:
        OrchestratorError: It cannot be read.
    """
    from orchestrator.stores.ledger.reading import ledger_for_reading

    with ledger_for_reading(path) as ledger:
        runs = [run for run in ledger.runs() if section in (None, run.section)]
        known = {run.run_id for run in runs}
        return runs, [one for one in ledger.sessions() if one.run_id in known]


def _live(project: Project, runs: list[RunRecord], sessions: list[SessionRecord]) -> list[LiveProgress]:
    """Sessions in flight. One whose card cannot be read is left out here; its models row names the fault."""
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.core.ledger.records import Stage
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring.live import Pair, live_sessions

    sections = {run.run_id: run.section for run in runs}
    pairs: list[Pair] = []
    for one in sessions:
        if one.stage is Stage.CLOSED:
            continue
        with suppress(OrchestratorError):
            pairs.append((load_card(project.cards, sections[one.run_id]), one))
    return live_sessions(project, pairs, ask=True, begins=Console(sys.stderr).begins)


def _steps_now(run: RunRecord, sessions: Sequence[SessionRecord], live: Sequence[LiveProgress]) -> int:
    """Steps of a run: saved ones, or those of its session in flight."""
    own = {one.slug for one in sessions if one.run_id == run.run_id}
    return max([run.steps_done, *(one.steps for one in live if one.session in own)])


def _failures(project: Project, runs: list[RunRecord]) -> dict[str, Autopsy]:
    """Run id -> why it ended badly, of the latest run of each training that is shown."""
    from orchestrator.core.run.summary import GOOD_ENDS
    from orchestrator.wiring.autopsies import autopsies

    latest = {run.lineage_id: run for run in runs}.values()
    bad = [run for run in latest if run.ended_at is not None and run.end_reason not in GOOD_ENDS][-_SHOWN_RUNS:]
    if not bad:
        return {}
    with autopsies(project) as examined:
        return {run.run_id: examined.of_run(run.run_id) for run in bad}


def _run_lines(
    runs: list[RunRecord],
    sessions: list[SessionRecord],
    failures: Mapping[str, Autopsy],
    live: Sequence[LiveProgress],
) -> list[str]:
    from orchestrator.core.run.summary import shown_verdict

    progress = {one.session: f"  {one.line}" for one in live}
    lines = ["Latest runs:"]
    for run in [run for run in runs if run.sessions or run.ended_at is None][-_SHOWN_RUNS:]:
        end = run.end_reason or _open_run(sessions, run)
        of = "" if run.target_steps is None else f" of {run.target_steps}"
        steps = f"{run.steps_start} -> {_steps_now(run, sessions, live)}{of}"
        if run.end_reason is not None and run.target_steps is None and not run.steps_done:
            steps = "no steps"
        verdict = shown_verdict(run.verdict, run.no_claim) or "-"
        lines.append(f"  {run.run_id}  {run.backend} {run.profile}  {steps}  {end}  {verdict}")
        for session in sessions:
            if session.run_id == run.run_id:
                grade = f"  resumed {session.resume_grade}" if session.resume_grade else ""
                image = _image(session)
                now = progress.get(session.slug, f"  {session.end_reason or '-'}")
                lines.append(f"    {session.slug}  {session.stage}{now}{grade}{image}")
                lines += [f"      {problem}" for problem in session.problems]
        if (examined := failures.get(run.run_id)) is not None:
            lines.append(f"    {examined.line}")
    return lines


def _open_run(sessions: list[SessionRecord], run: RunRecord) -> str:
    """Where a run stands that no command has ended: a command works on it now, or was interrupted."""
    from orchestrator.core.ledger.records import Stage

    in_flight = any(one.run_id == run.run_id and one.stage is not Stage.CLOSED for one in sessions)
    return "in flight" if in_flight else "between sessions or interrupted"


def _image(session: SessionRecord) -> str:
    """The image of a session, by the last characters of its name: the end of its digest."""
    image = (session.machine or {}).get("docker_image")
    return f"  image ...{image[-12:]}" if image else ""


def _session_json(session: SessionRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(session).items() if name != "ticket"}
