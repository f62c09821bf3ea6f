"""`doctor`: can this computer push to Kaggle, and if not, what is to be done."""

from __future__ import annotations

import sys
from dataclasses import asdict

from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson

_SIGNS = {True: "✓", False: "✗", None: "?"}


def doctor(as_json: AsJson = False) -> int:
    """Check credentials, account, quota, clock, versions and disk; changes nothing."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.core.diagnostics.health_check import exit_code
        from orchestrator.stores.project import find_project
        from orchestrator.wiring.kaggle import kaggle_checkup

        console = Console(sys.stderr if as_json else sys.stdout)
        checks = []
        for check in kaggle_checkup(find_project()):
            checks.append(check)
            console.say(f"{_SIGNS[check.good]} {check.name}: {check.found}")
            if check.remedy:
                console.say(f"    {check.remedy}")
        code = exit_code(checks)
        if as_json:
            print_json({"checks": [asdict(check) for check in checks], "exit_code": code})
        return code

    return run_command(act, as_json=as_json)
