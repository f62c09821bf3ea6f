"""`main(argv) -> int`: the list of commands. Each command imports what it needs only when it is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec

import typer

from orchestrator.cli.campaign import plan, results, tick
from orchestrator.cli.campaign import run as campaign_run
from orchestrator.cli.campaign import status as campaign_status
from orchestrator.cli.commands import (
    attach,
    doctor,
    fetch,
    inspect_checkpoint,
    logs,
    prove_resume,
    quota,
    render,
    run,
    status,
    verify,
)
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.output.encoding import restart_with_utf8_paths
from orchestrator.core.errors import EXIT_DONE, BadInput

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


COMMANDS: Mapping[str, Callable[..., int]] = {
    "run": run.run,
    "status": status.status,
    "render": render.render,
    "attach": attach.attach,
    "logs": logs.logs,
    "fetch": fetch.fetch,
    "quota": quota.quota,
    "doctor": doctor.doctor,
    "verify": verify.verify,
    "inspect": inspect_checkpoint.inspect_checkpoint,
    "prove-resume": prove_resume.prove_resume,
}
"""Name -> command, in the order of `--help`."""

CAMPAIGN_COMMANDS: Mapping[str, Callable[..., int]] = {
    "plan": plan.plan,
    "run": campaign_run.run,
    "tick": tick.tick,
    "recover": tick.recover,
    "status": campaign_status.status,
    "results": results.results,
    "report": results.report,
    "schema": campaign_status.schema,
}

campaign = typer.Typer(help="Many trials under limits: plan them, run them, see their status.")
for group, commands in ((app, COMMANDS), (campaign, CAMPAIGN_COMMANDS)):
    for name, command in commands.items():
        group.command(name)(_exiting(command))
app.add_typer(campaign, name="campaign", no_args_is_help=True)


_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer brings click along under a name of its own; this is the class of every wrong word on a command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        0 done, 1 run failed, 2 bad input, 3 our bug, 4 remote unavailable or quota spent, 130 interrupted.
    """
    if argv is None:
        restart_with_utf8_paths()
    words = list(sys.argv[1:] if argv is None else argv)

    def act() -> int:
        try:
            code = app(args=words or ["--help"], standalone_mode=False)
        except _UsageError as fault:
            context = getattr(fault, "ctx", None)
            path = context.command_path if context else "orchestrator"
            told = fault.format_message() if hasattr(fault, "format_message") else str(fault)
            raise BadInput(told.rstrip("."), remedy=f"See `{path} --help`.") from fault
        return code if isinstance(code, int) else EXIT_DONE

    return run_command(act, as_json="--json" in words)
