"""`verify`: train, save and resume a tiny real training in a temporary folder."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.stores.project import Project

_SHIPPED = "section_7_6"


def verify(
    section: Annotated[
        str | None, typer.Argument(help="Section to verify; default: section_7_6, or the project's only one.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check the project, and train, save and resume a tiny real training; exit 1 if anything is wrong."""
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.verify_checks import check_all
    from orchestrator.stores.project import find_project

    console = Console(sys.stderr if as_json else sys.stdout)
    project = find_project()
    checks = []
    for check in check_all(project, section or _default_section(project)):
        checks.append(check)
        console.say(f"{'✅' if check.passed else '✗'} {check.name}: {check.detail}")
    passed = all(check.passed for check in checks)
    console.say("Checkpoint system: VERIFIED" if passed else "Checkpoint system: NOT VERIFIED, see above")
    if as_json:
        print_json({"verified": passed, "checks": [asdict(check) for check in checks], "exit_code": 0 if passed else 1})
    return 0 if passed else 1


def _default_section(project: Project) -> str:
    """The shipped section where it is there, else the only one.

    Raises:
        BadInput: There are several, or none.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.section.card_yaml import card_names

    names = card_names(project.cards)
    if _SHIPPED in names or len(names) == 1:
        return _SHIPPED if _SHIPPED in names else names[0]
    raise BadInput(
        f"this project has {len(names)} sections",
        remedy=f"Name one: orchestrator verify {' | '.join(names) or 'SECTION'}",
    )
