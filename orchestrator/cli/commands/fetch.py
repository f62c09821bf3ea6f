"""`fetch`: collect what has ended, without waiting."""

from __future__ import annotations

import sys

import typer

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import Algorithm, BackendName, Section, Seed, Set, chosen_card


def fetch(
    context: typer.Context,
    section: Section,
    backend: BackendName = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
) -> int:
    """Fetch, verify and restore the sessions that have ended; repeatable, from any shell."""

    def act() -> int:
        from orchestrator.cli.option_effects import lost_variables
        from orchestrator.cli.output.console import Console
        from orchestrator.pipeline.run.reattach import fetch_ended
        from orchestrator.stores.project import find_project
        from orchestrator.stores.section.card_yaml import read_settings
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        card = chosen_card(project, section, context, algorithm=algorithm, seed=seed, settings=settings)
        console = Console(sys.stdout)
        Console(sys.stderr).say(*lost_variables(context, read_settings(settings)))
        with assemble(project, card, make_backend(backend or card.backend, project, card), console) as run_context:
            for closed in fetch_ended(run_context, card):
                console.say(
                    f"{closed.results_dir.name}: {closed.judgement.end_reason}, {closed.steps_in_place} steps in place"
                )
        return 0

    return run_command(act)
