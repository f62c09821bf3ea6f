"""`status`: the checkpoints in place, and the latest runs and sessions."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.core.ledger.records import RunRecord, SessionRecord

_SHOWN_RUNS = 10


def status(as_json: AsJson = False) -> int:
    """Show the models directory of each section, and the latest runs and sessions.

    What cannot be read is shown as unreadable, and the rest is still shown; the exit code is then 2.
    """
    from orchestrator.cli.commands.status_models import model_lines, model_rows
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE, OrchestratorError
    from orchestrator.stores.project import find_project

    project = find_project()
    models = model_rows(project)
    runs: list[RunRecord] = []
    sessions: list[SessionRecord] = []
    unreadable: OrchestratorError | None = None
    try:
        runs, sessions = _recorded(project.own / "ledger.sqlite")
    except OrchestratorError as fault:
        unreadable = fault
    code = EXIT_BAD_INPUT if any("problem" in row for row in models) else EXIT_DONE
    code = code if unreadable is None else unreadable.exit_code
    if as_json:
        print_json(
            {
                "models": models,
                "runs": [asdict(run) for run in runs],
                "sessions": [_session_json(session) for session in sessions],
                **({} if unreadable is None else {"problem": str(unreadable), "remedy": unreadable.remedy}),
            }
        )
        return code
    console = Console(sys.stdout)
    console.say(*model_lines(models))
    if unreadable is not None:
        raise unreadable
    console.say(*_run_lines(runs, sessions))
    return code


def _recorded(path: Path) -> tuple[list[RunRecord], list[SessionRecord]]:
    """Runs and sessions in the ledger. Reading creates no ledger where there is none.

    Raises:
        OrchestratorError: It cannot be read.
    """
    from orchestrator.stores.ledger.reading import ledger_for_reading

    with ledger_for_reading(path) as ledger:
        return list(ledger.runs()), list(ledger.sessions())


def _run_lines(runs: list[RunRecord], sessions: list[SessionRecord]) -> list[str]:
    from orchestrator.core.run.summary import shown_verdict

    if not runs:
        return ["No runs yet: python -m orchestrator run section_7_6 --quick"]
    lines = ["Latest runs:"]
    for run in [run for run in runs if run.sessions or run.ended_at is None][-_SHOWN_RUNS:]:
        end = run.end_reason or "in flight or interrupted"
        steps = f"{run.steps_start} -> {run.steps_done} of {run.target_steps}"
        verdict = shown_verdict(run.verdict, run.no_claim) or "-"
        lines.append(f"  {run.run_id}  {run.backend} {run.profile}  {steps}  {end}  {verdict}")
        for session in sessions:
            if session.run_id == run.run_id:
                grade = f"  resumed {session.resume_grade}" if session.resume_grade else ""
                lines.append(f"    {session.slug}  {session.stage}  {session.end_reason or '-'}{grade}")
                lines += [f"      {problem}" for problem in session.problems]
    return lines


def _session_json(session: SessionRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(session).items() if name != "ticket"}
