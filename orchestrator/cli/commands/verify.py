"""`verify`: prove that checkpoints make the whole way, with a tiny real training in a folder of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.error_boundary import print_json, run_command


def verify(
    section: Annotated[str, typer.Argument(help="Section to verify.")] = "section_7_6",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")] = False,
) -> int:
    """Check the project and round-trip a tiny real checkpoint; fails when anything is wrong."""

    def act() -> int:
        from orchestrator.cli.commands.verify_checks import check_all
        from orchestrator.cli.output.console import Console
        from orchestrator.stores.project import find_project

        console = Console(sys.stderr if as_json else sys.stdout)
        checks = []
        for check in check_all(find_project(), section):
            checks.append(check)
            console.say(f"{'✅' if check.passed else '✗'} {check.name}: {check.detail}")
        passed = all(check.passed for check in checks)
        console.say("Checkpoint system: VERIFIED" if passed else "Checkpoint system: NOT VERIFIED, see above")
        if as_json:
            rows = [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks]
            print_json({"verified": passed, "checks": rows, "exit_code": 0 if passed else 1})
        return 0 if passed else 1

    return run_command(act, as_json=as_json)
