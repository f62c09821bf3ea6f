"""`attach`: go on with the run of a command that is gone."""

from __future__ import annotations

import sys

import typer

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import Algorithm, AsJson, BackendName, Section, Seed, Set, chosen_card


def attach(
    context: typer.Context,
    section: Section,
    backend: BackendName = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> int:
    """Find the session in flight, watch it to its end, and carry its run to its target."""

    def act() -> int:
        from orchestrator.cli.commands.run import execute_request
        from orchestrator.cli.option_effects import lost_variables
        from orchestrator.cli.output.console import Console
        from orchestrator.core.errors import BadInput
        from orchestrator.pipeline.run.reattach import request_of
        from orchestrator.stores.project import find_project
        from orchestrator.stores.section.card_yaml import read_settings
        from orchestrator.wiring import assemble, make_backend, open_runs

        project = find_project()
        card = chosen_card(project, section, context, algorithm=algorithm, seed=seed, settings=settings)
        found = [run for run in open_runs(project, card) if backend in (None, run.backend)]
        if not found:
            raise BadInput(
                f"no run of {section} is in flight", remedy=f"Start one with `python -m orchestrator run {section}`."
            )
        console = Console(sys.stderr if as_json else sys.stdout)
        console.say(*lost_variables(context, read_settings(settings)))
        run = found[-1]
        console.say(f"Backend: {run.backend}, run {run.run_id} to {run.target_steps} steps")
        with assemble(project, card, make_backend(run.backend, project, card), console) as run_context:
            return execute_request(run_context, request_of(card, run), console, project.state, as_json)

    return run_command(act, as_json=as_json)
