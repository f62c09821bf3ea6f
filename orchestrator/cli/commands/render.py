"""`render`: show the script that the next session would run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import RunOptions

_Output = Annotated[Path | None, typer.Option("--output", help="Write the script to this file instead of stdout.")]


def render(options: RunOptions, output: _Output = None) -> int:
    """Show the checked kernel script that `run` with the same options would submit. Nothing is sent."""
    from orchestrator.cli.output.console import Console
    from orchestrator.core.run.weights_only import unneeded
    from orchestrator.pipeline.run.runner import preview
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import assemble, make_backend

    project = find_project()
    request = options.request(project)
    name, console = options.backend or request.card.backend, Console(sys.stderr)
    backend = make_backend(name, project, request.card)
    console.say(*options.without_effect(project, request, backend.capabilities, name))
    with assemble(project, request.card, backend, console, only_look=True) as run_context:
        _, start, push = preview(run_context, request)
        console.say(*unneeded(request, start.comparison.grade.word if start.comparison else None))
    _write(push.script, output)
    return 0


def _write(script: str, output: Path | None) -> None:
    from orchestrator.core.errors import BadInput

    if output is None:
        # The script is ASCII (base64 and escaped JSON), but a title in the card may not be.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(script.encode(encoding, "replace").decode(encoding))
        return
    try:
        output.write_bytes(script.encode("utf-8"))
    except OSError as fault:
        raise BadInput(f"{output} cannot be written: {fault}", remedy="Choose another file with --output.") from fault
