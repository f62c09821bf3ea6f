"""`main(argv) -> int`: the list of commands. Each command imports what it needs only when it is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import ParamSpec

import typer

from orchestrator.cli import render, run, status, verify
from orchestrator.core.errors import EXIT_DONE, EXIT_OUR_BUG

app = typer.Typer(
    name="orchestrator",
    help="Turns short GPU sessions into one long, exactly continued training run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


Words = ParamSpec("Words")


def _exiting(command: Callable[Words, int]) -> Callable[Words, None]:
    """Typer takes an exit code as an exception, not as a return value."""

    @functools.wraps(command)
    def wrapped(*args: Words.args, **kwargs: Words.kwargs) -> None:
        raise typer.Exit(command(*args, **kwargs))

    return wrapped


app.command("run")(_exiting(run.run))
app.command("status")(_exiting(status.status))
app.command("render")(_exiting(render.render))
app.command("verify")(_exiting(verify.verify))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        0 done, 1 run failed, 2 bad input, 3 our bug, 4 remote unavailable or quota spent, 130 interrupted.
    """
    try:
        app(args=list(sys.argv[1:] if argv is None else argv))
    except SystemExit as leaving:
        code = leaving.code
        return code if isinstance(code, int) else EXIT_DONE if code is None else EXIT_OUR_BUG
    return EXIT_DONE
