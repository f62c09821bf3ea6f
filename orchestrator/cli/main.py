"""`main(argv) -> int`: the list of commands. Each command imports what it needs only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import typer

from orchestrator.cli import render, run, status, verify
from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED

app = typer.Typer(
    name="orchestrator",
    help="Turns short GPU sessions into one long, exactly continued training run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("render")(render.render)
app.command("verify")(verify.verify)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        0 done, 1 run failed, 2 bad input, 3 our bug, 4 remote unavailable or quota spent, 130 interrupted.
    """
    try:
        code = app(args=list(sys.argv[1:] if argv is None else argv), standalone_mode=False)
    except click.ClickException as fault:
        fault.show()
        return EXIT_BAD_INPUT
    except click.Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
