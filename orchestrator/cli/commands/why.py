"""`why`: one verdict about the end of a run, a session or a trial, with its evidence and the next command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.core.autopsy.verdicts import Autopsy

_Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="Section, run or the beginning of its id, session (name or handle), results folder, lineage id or its "
        "beginning, label of a trial; default: the newest run.",
    ),
]
_Ask = Annotated[bool, typer.Option("--ask", help="Also look once at the session on its backend.")]


def why(name: _Name = None, ask: _Ask = False, as_json: AsJson = False) -> int:
    """Show why a run, a session or a trial ended: one verdict, what shows it, and the next command.

    It reads the ledger and what was fetched, works without network, and changes nothing.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.autopsies import autopsies

    with autopsies(find_project(), ask=ask) as examined:
        found = examined.of(name)
    if as_json:
        print_json(found.to_json())
    else:
        Console(sys.stdout).say(*autopsy_lines(found))
    return 0


def autopsy_lines(found: Autopsy) -> list[str]:
    """An autopsy as text."""
    return [
        found.subject,
        f"Verdict: {found.sentence}",
        *(["Evidence:"] if found.evidence else []),
        *(f"  {one}" for one in found.evidence),
        *(f"Not read: {one}" for one in found.unread),
        found.advice,
        f"Next: {found.command}",
    ]
