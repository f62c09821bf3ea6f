"""`logs`: what the latest session said, live while it runs."""

from __future__ import annotations

import sys

import typer

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import Algorithm, BackendName, Section, Seed, Set, chosen_card


def logs(
    context: typer.Context,
    section: Section,
    backend: BackendName = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
) -> int:
    """Print the log of the latest session from its beginning, and follow it while it runs."""

    def act() -> int:
        from orchestrator.cli.option_effects import lost_variables
        from orchestrator.cli.output.console import Console
        from orchestrator.pipeline.run.reattach import log_of
        from orchestrator.stores.project import find_project
        from orchestrator.stores.section.card_yaml import read_settings
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        card = chosen_card(project, section, context, algorithm=algorithm, seed=seed, settings=settings)
        console = Console(sys.stdout)
        Console(sys.stderr).say(*lost_variables(context, read_settings(settings)))
        side = make_backend(backend or card.backend, project, card)
        with assemble(project, card, side, console, only_look=True) as run_context:
            for line in log_of(run_context, card):
                console.say(line)
        return 0

    return run_command(act)
