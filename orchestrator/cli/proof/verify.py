"""`verify`: train, save and resume a tiny real training in a temporary folder."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson


def verify(
    section: Annotated[str | None, typer.Argument(help="Section to verify; without one, all of the project.")] = None,
    as_json: AsJson = False,
) -> int:
    """Check the project, and train, save and resume a tiny real training; exit 1 if anything is wrong."""
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.verify_checks import check_project
    from orchestrator.stores.project import find_project

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins("Checking the project, then a tiny training")
    checks = []
    for check in check_project(find_project(), section):
        checks.append(check)
        console.say(f"{'✅' if check.passed else '✗'} {check.name}: {check.detail}")
    passed = all(check.passed for check in checks)
    console.say("Checkpoint system: VERIFIED" if passed else "Checkpoint system: NOT VERIFIED, see above")
    if as_json:
        print_json({"verified": passed, "checks": [asdict(check) for check in checks], "exit_code": 0 if passed else 1})
    return 0 if passed else 1
