"""`doctor`: checks this computer and its Kaggle account, on request Kaggle itself, Slurm or Ray."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, Quick
from orchestrator.core.errors import BadInput

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.diagnostics.health_check import Check
    from orchestrator.core.session.backend_types import Push
    from orchestrator.stores.project import Project

_SIGNS = {True: "✓", False: "✗", None: "?"}

_Section = Annotated[
    str | None, typer.Argument(help="Section whose script --push saves, or whose block `slurm` or `ray` is checked.")
]
_Backend = Annotated[str, typer.Option("--backend", help="What to check: kaggle, slurm or ray.")]
_Push = Annotated[
    bool,
    typer.Option("--push", help="Save the next session's script on Kaggle without running it; delete it."),
]
_FirstSession = Annotated[
    bool, typer.Option("--first-session", help="Try Kaggle with short CPU sessions; print a report to send.")
]


def doctor(
    section: _Section = None,
    backend: _Backend = "kaggle",
    push: _Push = False,
    first_session: _FirstSession = False,
    quick: Quick = False,
    as_json: AsJson = False,
) -> int:
    """Check Kaggle credentials, account, quota, clock, versions, disk and use of GPUs. Without options nothing changes.

    With --push: the script that `run` would send is saved on Kaggle without a session, read back and deleted.
    With --first-session: three CPU sessions, which spend no quota, try mounts, log, carriers and cancel.
    With --backend slurm: the SSH connection if the card has one, the commands, slurmctld, the partition and the folder.
    With --backend ray: the client, the cluster and what it can give, and the storage of the sessions.
    """
    from orchestrator.cli.output.console import Console

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins("Checking this computer and Kaggle")
    from orchestrator.core.diagnostics.health_check import exit_code
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.gpu_use import gpu_checks
    from orchestrator.wiring.kaggle import kaggle_checkup

    project = find_project()
    checks: list[Check] = []

    def report(check: Check) -> None:
        checks.append(check)
        console.say(*check_lines(check))

    if backend != "kaggle":
        return _other_backend(project, backend, section, report, checks, as_json, kaggle_only=push or first_session)
    chosen = _section(project, section) if push else None
    if section is not None and not push:
        console.say(f"{section} has no effect without --push")
    for check in kaggle_checkup(project):
        report(check)
    for check in gpu_checks(project):
        report(check)
    signed_in = any(check.name == "account" and check.good for check in checks)
    if chosen is not None and signed_in:
        _check_push(project, chosen, quick, console, report)
    answer: dict[str, Any] = {}
    if first_session and signed_in:
        answer = _first_session_report(console, checks, report)
    code = exit_code(checks)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks], **answer, "exit_code": code})
    return code


def _other_backend(
    project: Project,
    backend: str,
    section: str | None,
    report: Callable[[Check], None],
    checks: list[Check],
    as_json: bool,
    *,
    kaggle_only: bool,
) -> int:
    """Check Slurm or Ray, with the settings of a section's card; without one, the defaults.

    Raises:
        BadInput: There are no checks for that backend, or an option needs Kaggle.
    """
    from orchestrator.core.diagnostics.health_check import exit_code

    if backend not in ("slurm", "ray"):
        raise BadInput(f"doctor has no checks for {backend!r}", remedy="Give --backend kaggle, slurm or ray.")
    if kaggle_only:
        raise BadInput("--push and --first-session check Kaggle", remedy=f"Leave out --backend {backend}.")
    for check in _checks_of(project, backend, section):
        report(check)
    code = exit_code(checks)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks], "exit_code": code})
    return code


def _checks_of(project: Project, backend: str, section: str | None) -> Iterator[Check]:
    from orchestrator.core.section.ray import RaySettings
    from orchestrator.core.section.slurm import SlurmSettings
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring.ray import ray_checkup
    from orchestrator.wiring.slurm import slurm_checkup

    card = None if section is None else load_card(project.cards, section)
    if backend == "slurm":
        return slurm_checkup(project, SlurmSettings() if card is None else card.slurm)
    return ray_checkup(RaySettings() if card is None else card.ray)


def check_lines(check: Check) -> list[str]:
    """A check as text."""
    return [f"{_SIGNS[check.good]} {check.name}: {check.found}", *([f"    {check.remedy}"] if check.remedy else [])]


def _first_session_report(console: Console, checks: list[Check], report: Callable[[Check], None]) -> dict[str, Any]:
    """Run the sessions, report each row, and return the rest of the report for `--json`.

    Args:
        checks: Those so far; user name and secrets are removed from them, since the user will send the whole.
    """
    import importlib.metadata
    import platform

    from orchestrator import __version__
    from orchestrator.core.diagnostics.health_check import Check
    from orchestrator.core.errors import RemoteUnavailable
    from orchestrator.wiring.kaggle import kaggle_first_session

    try:
        rows, facts, mask = kaggle_first_session(lambda line: console.say(line))
    except RemoteUnavailable as fault:
        report(Check(name="first session", good=False, found=str(fault), remedy=fault.remedy, remote=True))
        return {}
    checks[:] = [mask.check(check) for check in checks]
    console.say("Report of the first session; it holds neither your user name nor your token:")
    for row in rows:
        report(row)
    versions = {name: importlib.metadata.version(name) for name in ("kaggle", "kagglesdk")}
    versions |= {"orchestrator": __version__, "python": platform.python_version(), "system": platform.system()}
    return {"first_session": {"rows": [asdict(row) for row in rows], **facts, "versions": versions}}


def _section(project: Project, section: str | None) -> str:
    """The section to check.

    Raises:
        BadInput: None is named, and there is not exactly one.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.section.card_yaml import card_names

    names = card_names(project.cards)
    if section is None and len(names) != 1:
        raise BadInput(
            f"--push checks the script of one section, and there are {len(names)}",
            remedy=f"Name it, for example: python -m orchestrator doctor {min(names, default='section_7_6')} --push",
        )
    return section or names[0]


def _check_push(project: Project, section: str, quick: bool, console: Console, report: Callable[[Check], None]) -> None:
    """Prepare the next session's script exactly as `run` does, and check it on Kaggle; a failure is a check too."""
    from orchestrator.core.diagnostics.health_check import Check
    from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
    from orchestrator.wiring.kaggle import kaggle_push_check

    try:
        push = _next_push(project, section, quick, console)
    except OrchestratorError as fault:
        remote = isinstance(fault, RemoteUnavailable)
        report(Check(name="push: script", good=False, found=str(fault), remedy=fault.remedy, remote=remote))
        return
    try:
        kaggle_push_check(push, report)
    except RemoteUnavailable as fault:
        report(Check(name="push: account", good=False, found=str(fault), remedy=fault.remedy, remote=True))


def _next_push(project: Project, section: str, quick: bool, console: Console) -> Push:
    from orchestrator.core.run.request import RunRequest
    from orchestrator.pipeline.run.runner import preview
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring import assemble
    from orchestrator.wiring.kaggle import kaggle_backend_without_quota

    card = load_card(project.cards, section)
    with assemble(project, card, kaggle_backend_without_quota(card), console, only_look=True) as context:
        return preview(context, RunRequest(card=card, profile="quick" if quick else "full"))[2]
