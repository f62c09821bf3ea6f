"""`render`: show the script that the next session would run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import (
    AcceptGrade,
    AddSteps,
    Algorithm,
    BackendName,
    DeadlineS,
    Fresh,
    Quick,
    Section,
    Seed,
    Set,
    TargetSteps,
    build_request,
    remarks_on,
)


def render(
    context: typer.Context,
    section: Section,
    quick: Quick = False,
    backend: BackendName = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
    target_steps: TargetSteps = None,
    add_steps: AddSteps = None,
    deadline_s: DeadlineS = None,
    fresh: Fresh = False,
    accept_grade: AcceptGrade = None,
    output: Annotated[Path | None, typer.Option(help="Write the script to this file instead of stdout.")] = None,
) -> int:
    """Show the proven kernel script that `run` with the same options would start; nothing is sent."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.core.run.weights_only import unneeded
        from orchestrator.pipeline.run.runner import preview
        from orchestrator.stores.project import find_project
        from orchestrator.wiring import assemble, make_backend

        project = find_project()
        request = build_request(
            project,
            section,
            quick=quick,
            algorithm=algorithm,
            seed=seed,
            target_steps=target_steps,
            add_steps=add_steps,
            fresh=fresh,
            deadline_s=deadline_s,
            context=context,
            accept_grade=accept_grade,
            settings=settings,
        )
        name, console = backend or request.card.backend, Console(sys.stderr)
        side = make_backend(name, project, request.card)
        console.say(*remarks_on(project, section, context, request, settings, side.capabilities, name))
        with assemble(project, request.card, side, console, only_look=True) as run_context:
            _, start, push = preview(run_context, request)
            console.say(*unneeded(request, start.comparison.grade.word if start.comparison else None))
        _show(push.script, output)
        return 0

    return run_command(act)


def _show(script: str, output: Path | None) -> None:
    from orchestrator.core.errors import BadInput

    if output is None:
        # ASCII by construction (base64 and escaped JSON), but a title in the card may not be.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(script.encode(encoding, "replace").decode(encoding))
        return
    try:
        output.write_bytes(script.encode("utf-8"))
    except OSError as fault:
        raise BadInput(f"{output} cannot be written: {fault}", remedy="Choose another file.") from fault
