"""`attach`, `logs` and `fetch`: commands on sessions that an earlier command started."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.options import AsJson, TrainingOptions

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.section.card import SectionCard
    from orchestrator.pipeline.context import RunContext


def attach(options: TrainingOptions, as_json: AsJson = False) -> int:
    """Find the session in flight, watch it to its end, and continue its run to the target."""
    from orchestrator.cli.commands.run import execute_request
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import BadInput
    from orchestrator.pipeline.control.reattach import request_of
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import assemble, make_backend, open_runs

    project = find_project()
    card = options.card(project)
    found = [run for run in open_runs(project, card) if options.backend in (None, run.backend)]
    if not found:
        raise BadInput(
            f"no run of {options.section} is in flight",
            remedy=f"Start one with `python -m orchestrator run {options.section}`.",
        )
    console = Console(sys.stderr if as_json else sys.stdout)
    console.say(*options.ignored_variables())
    run = found[-1]
    to = "" if run.target_steps is None else f" to {run.target_steps} steps"
    console.say(f"Backend: {run.backend}, run {run.run_id}{to}")
    with assemble(project, card, make_backend(run.backend, project, card), console) as run_context:
        return execute_request(run_context, request_of(card, run), console, project.state, as_json)


def logs(options: TrainingOptions) -> int:
    """Print the whole log of the latest session, and follow it while the session runs."""
    from orchestrator.pipeline.control.reattach import log_of

    with _open_training(options, read_only=True) as (run_context, card, console):
        for line in log_of(run_context, card):
            console.say(line)
    return 0


def fetch(options: TrainingOptions) -> int:
    """Fetch, verify and restore the sessions that have ended, without waiting. It can be repeated at any time."""
    from orchestrator.pipeline.control.reattach import fetch_ended

    with _open_training(options, read_only=False) as (run_context, card, console):
        for closed in fetch_ended(run_context, card):
            console.say(
                f"{closed.results_dir.name}: {closed.judgement.end_reason}, {closed.steps_in_place} steps in place"
            )
    return 0


@contextmanager
def _open_training(options: TrainingOptions, *, read_only: bool) -> Iterator[tuple[RunContext, SectionCard, Console]]:
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.output.standard_output import PULSE
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import assemble, make_backend

    project = find_project()
    card = options.card(project)
    console = Console(sys.stdout, pulse=None if read_only else PULSE)
    Console(sys.stderr).say(*options.ignored_variables())
    name = options.backend or card.backend
    if not read_only:
        console.say(f"Backend: {name}; looking for sessions of {card.section} that have ended")
    backend = make_backend(name, project, card)
    with assemble(project, card, backend, console, only_look=read_only) as run_context:
        yield run_context, card, console
