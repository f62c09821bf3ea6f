"""`render`: show the script that the next session would run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import RunOptions
from orchestrator.cli.output.standard_output import encodable
from orchestrator.kernel.files.digests import tree_digest

_Output = Annotated[Path | None, typer.Option("--output", help="Write the script to this file instead of stdout.")]
_Files = Annotated[bool, typer.Option("--files", help="List the code and data files that would travel, with sizes.")]


def render(options: RunOptions, files: _Files = False, output: _Output = None) -> int:
    """Show the checked kernel script that `run` with the same options would submit. Nothing is sent.

    With --files: a line for each file that it would carry, size in bytes and path, then the total.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.run.weights_only import unneeded
    from orchestrator.pipeline.run.runner import preview
    from orchestrator.stores.project import find_project
    from orchestrator.stores.session.code_bundle import CodeStore
    from orchestrator.wiring import assemble, make_backend

    project = find_project()
    request = options.request(project)
    if files:
        _write(_listing(CodeStore.of(project).contents(request.card)), output)
        return 0
    name, console = options.backend or request.card.backend, Console(sys.stderr)
    backend = make_backend(name, project, request.card)
    console.say(*options.without_effect(project, request, backend.capabilities, name))
    with assemble(project, request.card, backend, console, only_look=True) as run_context:
        _, start, push = preview(run_context, request)
        console.say(*unneeded(request, start.comparison.grade.word if start.comparison else None))
    _write(push.script, output)
    return 0


def _listing(contents: Mapping[str, bytes]) -> str:
    sizes = {name: len(content) for name, content in contents.items()}
    total, digest = sum(sizes.values()), tree_digest(contents)
    width = len(str(total))
    lines = [f"{size:>{width}}  {encodable(name, 'utf-8')}" for name, size in sorted(sizes.items())]
    return "\n".join([*lines, f"{total:>{width}}  bytes in {len(sizes)} files, code digest {digest[:12]}", ""])


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
