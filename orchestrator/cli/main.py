"""`main(argv) -> int` and the table of commands. A command imports what it needs only when it is called."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_type_hints

import typer

from orchestrator import __version__
from orchestrator.cli.campaign import plan, results, sweep, tick
from orchestrator.cli.campaign import run as campaign_run
from orchestrator.cli.campaign import status as campaign_status
from orchestrator.cli.checkpoint import adopt, checkpoints, inspect_checkpoint
from orchestrator.cli.commands import (
    account,
    cancel,
    doctor,
    init,
    overview,
    render,
    report,
    run,
    serve,
    sessions,
    status,
    why,
)
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.first_screen import EPILOG, place_of
from orchestrator.cli.output.standard_output import open_closed_streams, restart_with_utf8_paths
from orchestrator.cli.proof import prove, prove_resume, verify
from orchestrator.core.errors import EXIT_DONE, EXIT_INTERRUPTED, BadInput

app = typer.Typer(
    name="orchestrator",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
)

COMMANDS: Mapping[str, Callable[..., int]] = {
    "init": init.init,
    "run": run.run,
    "status": status.status,
    "prove": prove.prove,
    "why": why.why,
    "report": report.report,
    "serve": serve.serve,
    "attach": sessions.attach,
    "logs": sessions.logs,
    "fetch": sessions.fetch,
    "cancel": cancel.cancel,
    "adopt": adopt.adopt,
    "inspect": inspect_checkpoint.inspect_checkpoint,
    "prove-resume": prove_resume.prove_resume,
    "sections": overview.sections,
    "render": render.render,
    "doctor": doctor.doctor,
    "quota": account.quota,
    "verify": verify.verify,
}
"""Name -> command, in the order of `--help`."""

CHECKPOINT_COMMANDS: Mapping[str, Callable[..., int]] = {
    "list": checkpoints.list_checkpoints,
    "restore": checkpoints.restore,
    "archive": checkpoints.archive,
}

CONFIG_COMMANDS: Mapping[str, Callable[..., int]] = {"show": overview.show, "schema": overview.schema}

CAMPAIGN_COMMANDS: Mapping[str, Callable[..., int]] = {
    "plan": plan.plan,
    "run": campaign_run.run,
    "tick": tick.tick,
    "recover": tick.recover,
    "status": campaign_status.status,
    "results": results.results,
    "report": results.report,
    "sweep": sweep.sweep,
    "schema": campaign_status.schema,
}


class _Ended(Exception):
    """A command has ended and printed what there is to print."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _for_typer(command: Callable[..., int]) -> Callable[..., None]:
    """A command in the form that Typer takes.

    A parameter `options` is a block of options: Typer gets its fields instead, as single options. A failure is printed
    here, and the exit code is raised, because Typer does not take it as a return value.

    Raises:
        _Ended: Always.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = dict(inspect.signature(command).parameters)
    block = hints["options"] if parameters.pop("options", None) else None
    names: Sequence[str] = ()
    if block is not None:
        hints |= get_type_hints(block, include_extras=True)
        fields = dict(inspect.signature(block).parameters)
        names, parameters = tuple(fields), fields | parameters

    def call(**values: Any) -> None:
        if block is not None:
            values["options"] = block(**{name: values.pop(name) for name in names})

        def act() -> int:
            from orchestrator.stores.project import current_folder

            current_folder()  # no command works in a folder that was deleted
            return command(**values)

        raise _Ended(run_command(act, as_json=values.get("as_json", False)))

    flat = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, parameter in parameters.items()
    ]
    call.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]  # typer reads it
    call.__doc__ = command.__doc__
    return call


GROUPS: Mapping[str, tuple[str, Mapping[str, Callable[..., int]]]] = {
    "campaign": ("Many trials under limits: plan them, run them, see their status.", CAMPAIGN_COMMANDS),
    "checkpoints": ("The checkpoints of a training: list them, go back to one, put them aside.", CHECKPOINT_COMMANDS),
    "config": ("Where settings, folders and credentials come from, and the form of a card.", CONFIG_COMMANDS),
}
"""Name -> help and commands of a group, in the order of `--help`."""


def _register() -> None:
    for name, command in COMMANDS.items():
        panel, line = place_of(name)
        app.command(name, rich_help_panel=panel, short_help=line)(_for_typer(command))
    for name, (text, commands) in GROUPS.items():
        group, (panel, line) = typer.Typer(help=text), place_of(name)
        for inner, command in commands.items():
            group.command(inner)(_for_typer(command))
        app.add_typer(group, name=name, no_args_is_help=True, rich_help_panel=panel, short_help=line)


_register()


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"orchestrator {__version__}")
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]


@app.callback()
def _options_of_all(version: _Version = False) -> None:
    """Turns short GPU sessions into one long, exactly continued training run."""


def _program_name(words: Sequence[str]) -> str | None:
    """The name under which a shell completes this program; None for that of the present call."""
    completing = {"--install-completion", "--show-completion"} & set(words) or "_ORCHESTRATOR_COMPLETE" in os.environ
    return "orchestrator" if completing else None


_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's class for every mistake on a command line; Typer brings its own copy of click and does not export it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        0 done, 1 run failed, 2 bad input, 3 our bug, 4 backend unavailable or quota spent, 130 interrupted.
    """
    if argv is None:
        open_closed_streams()
        restart_with_utf8_paths()
    words = list(sys.argv[1:] if argv is None else argv)

    def act() -> int:
        try:
            code = app(args=words or ["--help"], prog_name=_program_name(words), standalone_mode=False)
        except _UsageError as fault:
            context = getattr(fault, "ctx", None)
            path = context.command_path if context else "orchestrator"
            cause = fault.format_message() if hasattr(fault, "format_message") else str(fault)
            raise BadInput(cause.rstrip("."), remedy=f"See `{path} --help`.") from fault
        except _Ended as end:
            return end.code
        if code == EXIT_INTERRUPTED:  # what Typer makes of a Ctrl-C outside of the command itself
            raise KeyboardInterrupt
        return code if isinstance(code, int) else EXIT_DONE

    return run_command(act, as_json="--json" in words)
