"""`cancel`: stop the session in flight, with everything that it has learned saved."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, TrainingOptions

if TYPE_CHECKING:
    from orchestrator.pipeline.control.cancel import Cancelled


def cancel(options: TrainingOptions, as_json: AsJson = False) -> int:
    """Ask the session in flight to save and stop, wait for its end, and put its checkpoints in place.

    Works from a second shell while `run` watches in the first one: `run` then collects the session and ends.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.session.end_reason import EndReason
    from orchestrator.pipeline.control.cancel import cancel_sessions
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import assemble, backend_in_flight, make_backend

    project = find_project()
    card = options.card(project)
    console = Console(sys.stderr if as_json else sys.stdout)
    console.say(*options.ignored_variables())
    name = options.backend or backend_in_flight(project, card) or card.backend
    with assemble(project, card, make_backend(name, project, card), console) as run_context:
        cancelled = cancel_sessions(run_context, card)
    console.say(*(line for one in cancelled for line in _lines(one)))
    if all(one.record.end_reason == EndReason.FINISHED for one in cancelled):
        console.say("The training had reached its target before it could be stopped; nothing is left to train.")
    else:
        console.say(f"Continue later with `python -m orchestrator run {options.section}` and the same options.")
    if as_json:
        sessions = [one.to_json() for one in cancelled]
        steps = sessions[-1]["steps_saved"]
        print_json({"section": card.section, "steps_saved": steps, "sessions": sessions, "exit_code": 0})
    return 0


def _lines(cancelled: Cancelled) -> list[str]:
    record = cancelled.record
    if record.never_submitted:
        return [f"{record.slug} was never started"]
    by = ", collected by the command that was watching it" if cancelled.by_other else ""
    return [f"{record.slug}: {record.end_reason}{by}; {record.models_steps or 0} steps are saved and in place"]
