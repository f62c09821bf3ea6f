"""`fetch`: bring home what has ended, without waiting."""

from __future__ import annotations

import sys

from orchestrator.cli.door import through_door
from orchestrator.cli.options import Algorithm, BackendName, Section, Seed, Set


def fetch(
    section: Section, backend: BackendName = None, algorithm: Algorithm = None, seed: Seed = None, settings: Set = None
) -> int:
    """Fetch, verify and restore the sessions that have ended; repeatable, from any shell."""

    def act() -> int:
        from orchestrator.cli.console import Console
        from orchestrator.pipeline.revisit import fetch_ended
        from orchestrator.stores.configs import choose, load_card, read_settings
        from orchestrator.stores.project import find_project
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        card = choose(load_card(project.cards, section, read_settings(settings)), algorithm=algorithm, seed=seed)
        console = Console(sys.stdout)
        with assemble(project, card, make_backend(backend or card.backend, project, card), console) as parts:
            for closed in fetch_ended(parts, card):
                console.say(
                    f"{closed.results_dir.name}: {closed.judgement.end_reason}, {closed.steps_in_place} steps in place"
                )
        return 0

    return through_door(act)
