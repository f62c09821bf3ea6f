"""`render`: show the script that the next session would run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.door import through_door


def render(
    section: Annotated[str, typer.Argument(help="Section, for example section_7_6.")],
    quick: Annotated[bool, typer.Option("--quick", help="Quick profile.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the script to this file instead of stdout.")] = None,
) -> int:
    """Show the proven kernel script of the next session; nothing is sent."""

    def act() -> int:
        from orchestrator.cli.console import Console
        from orchestrator.core.errors import BadInput
        from orchestrator.core.requests import RunRequest
        from orchestrator.pipeline.run import plan_first_session
        from orchestrator.stores.configs import load_card
        from orchestrator.stores.project import find_project
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        card = load_card(project.cards, section)
        request = RunRequest(card=card, profile="quick" if quick else "full")
        with assemble(
            project, card, make_backend("local", project, card), Console(sys.stderr), only_look=True
        ) as parts:
            script = plan_first_session(parts, request).script
        if output is None:
            # ASCII by construction (base64 and escaped JSON), but a title in the card may not be.
            sys.stdout.write(
                script.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii")
            )
            return 0
        try:
            output.write_bytes(script.encode("utf-8"))
        except OSError as fault:
            raise BadInput(f"{output} cannot be written: {fault}", remedy="Choose another file.") from fault
        return 0

    return through_door(act)
