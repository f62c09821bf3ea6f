"""`sections`, `config show` and `config schema`: what this project holds, where its settings come from, their form."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.stores.project import Project

VARIABLES = (
    "ORCHESTRATOR_ROOT",
    "ORCHESTRATOR_BACKEND",
    "ORCHESTRATOR_QUICK",
    "ORCHESTRATOR_ALGORITHM",
    "ORCHESTRATOR_SEED",
    "ORCHESTRATOR_TARGET_STEPS",
    "ORCHESTRATOR_DEADLINE_S",
)
"""The environment variables that commands read."""


def sections(as_json: AsJson = False) -> int:
    """List the sections of this project: title, algorithms, default backend, steps in place.

    A card that cannot be used is listed with its fault, and the exit code is then 2.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import card_names

    project = find_project()
    rows = [_section_row(project, name) for name in card_names(project.cards)]
    code = EXIT_BAD_INPUT if any("problem" in row for row in rows) else EXIT_DONE
    if as_json:
        print_json({"sections": rows, "exit_code": code})
        return code
    console = Console(sys.stdout)
    if not rows:
        console.say(f"No section: {project.cards} holds no card")
    for row in rows:
        if "problem" in row:
            console.say(f"{row['section']}  ✗ {row['problem']}", *([f"  {row['remedy']}"] if row["remedy"] else []))
            continue
        names = ", ".join(name + " (default)" * (name == row["algorithm"]) for name in row["algorithms"])
        console.say(
            row["section"] if row["title"] == row["section"] else f"{row['section']}  {row['title']}",
            *([f"  algorithms: {names}"] if names else []),
            f"  backend: {row['backend']}, {row['steps']} steps in place, {row['trials']} trial(s)",
        )
    return code


def _section_row(project: Project, name: str) -> dict[str, Any]:
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring import models_directory

    try:
        card = load_card(project.cards, name)
        steps = models_directory(project, card).view().steps
    except (OrchestratorError, OSError, ValueError) as fault:
        return {"section": name, "problem": str(fault), "remedy": getattr(fault, "remedy", "")}
    return {
        "section": name,
        "title": card.title,
        "algorithm": card.algorithm,
        "algorithms": list(card.algorithms.names),
        "backend": card.backend,
        "steps": steps,
        "trials": len(project.trials(card.directory)),
        "card": (project.cards / f"{name}.yaml").as_posix(),
    }


_OfSection = Annotated[
    str | None, typer.Argument(metavar="[SECTION]", help="Of the card of this section; default: of every card here.")
]


def schema(section: _OfSection = None) -> int:
    """Print the JSON Schema of a section's card, its own keys included, for editors.

    For the YAML support of an editor: write it to configs/sections/schema.json, and begin each card with
    `# yaml-language-server: $schema=schema.json`.
    """
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_schema import card_schema

    print(json.dumps(card_schema(find_project().cards, section), indent=2))
    return 0


def show(as_json: AsJson = False) -> int:
    """Show where project, ledger, results and credentials are, and which variables are set. Secrets are not shown."""
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.project import find_project, origin_of_project

    project = find_project()
    folders = {
        "project": project.code,
        "cards": project.cards,
        "state": project.own,
        "ledger": project.own / "ledger.sqlite",
        "results": project.results,
        "reports": project.campaign_reports,
    }
    credentials, fault = _credentials()
    variables = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if as_json:
        print_json(
            {
                "project_from": origin_of_project(),
                "folders": {name: {"path": path.as_posix(), "exists": path.exists()} for name, path in folders.items()},
                "credentials": credentials,
                "credentials_problem": fault,
                "variables": variables,
            }
        )
        return 0
    console = Console(sys.stdout)
    console.say(f"Project found by: {origin_of_project()}")
    console.say(*(f"  {name}: {path}{'' if path.exists() else ' (not there yet)'}" for name, path in folders.items()))
    console.say("Kaggle credentials, in the order in which they are tried:")
    console.say(*(f"  {one['form']} from {one['source']}, account {one['account'] or '?'}" for one in credentials))
    if fault or not credentials:
        console.say(f"  none: {fault or 'kaggle cannot be used; `python -m orchestrator doctor` says how'}")
    console.say("Variables that replace defaults:" if variables else "No variable ORCHESTRATOR_... is set")
    console.say(*(f"  {name}={value}" for name, value in variables.items()))
    return 0


def _credentials() -> tuple[list[dict[str, Any]], str]:
    """Kind, source and account of every credential here, never the secret; and why they cannot be read."""
    from orchestrator.backends.kaggle.client.credentials import candidates
    from orchestrator.core.errors import RemoteUnavailable

    try:
        found = candidates()
    except RemoteUnavailable as fault:
        return [], str(fault)
    return [{"form": one.form.value, "source": one.source, "account": one.username} for one in found], ""
