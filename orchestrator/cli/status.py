"""`status`: what is in place and what has run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.door import print_json, through_door

if TYPE_CHECKING:
    from orchestrator.core.compatibility import Compatibility
    from orchestrator.core.models import ModelsView
    from orchestrator.core.records import RunRecord, SessionRecord
    from orchestrator.core.sections import SectionCard
    from orchestrator.stores.project import Project

_SHOWN_RUNS = 10


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")] = False,
) -> int:
    """Show the models directory of each section, and the latest runs and sessions."""

    def act() -> int:
        from orchestrator.cli.console import Console
        from orchestrator.stores.ledger import SqliteLedger
        from orchestrator.stores.project import find_project

        project = find_project()
        ledger_path = project.own / "ledger.sqlite"
        runs: list[RunRecord] = []
        sessions: list[SessionRecord] = []
        if ledger_path.is_file():  # asking must not create anything
            ledger = SqliteLedger(ledger_path)
            runs, sessions = list(ledger.runs()), list(ledger.sessions())
            ledger.close()
        cards, broken = _cards(project)
        models = _models(project, cards)
        if as_json:
            print_json(
                {
                    "models": models,
                    "broken_cards": broken,
                    "runs": [asdict(run) for run in runs],
                    "sessions": [_plain(s) for s in sessions],
                }
            )
            return 0
        console = Console(sys.stdout)
        console.say(*_model_lines(models), *_broken_lines(broken), *_run_lines(runs, sessions))
        return 0

    return through_door(act, as_json=as_json)


def _cards(project: Project) -> tuple[list[SectionCard], list[dict[str, str]]]:
    """The cards that can be used, and for each other one its section, what is wrong and the remedy."""
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.configs import card_names, load_card

    cards, broken = [], []
    for section in card_names(project.cards):
        try:
            cards.append(load_card(project.cards, section))
        except BadInput as fault:
            broken.append({"section": section, "error": str(fault), "remedy": fault.remedy})
    return cards, broken


def _broken_lines(broken: list[dict[str, str]]) -> list[str]:
    lines = []
    for row in broken:
        lines.append(f"{row['section']}: its card cannot be used")
        lines += [f"  ✗ {fault}" for fault in row["error"].splitlines()]
        lines.append(f"    {row['remedy']}")
    return lines


def _models(project: Project, cards: list[SectionCard]) -> list[dict[str, Any]]:
    from orchestrator.stores.models_dir import ModelsDirectory

    rows = []
    for card in cards:
        section = card.section
        for trial in (None, *project.trials(card.directory)):
            view = ModelsDirectory(project.models(card.directory, trial), card.scenario).view()
            identity = view.verified[0].identity if view.verified else {}
            found = _grade(project, card, view, trial)
            rows.append(
                {
                    "section": section,
                    "trial": trial,
                    "algorithm": identity.get("algorithm"),
                    "seed": identity.get("seed"),
                    "steps": view.steps,
                    "resume": found.to_json() if found else None,
                    "lowest_grade": view.verified[0].lowest_grade if view.verified else None,
                    "checkpoints": [checkpoint.stem for checkpoint in view.verified],
                    "faults": dict(view.faults),
                    "profiles": {name: profile.target_steps for name, profile in card.profiles.items()},
                }
            )
    return rows


def _grade(project: Project, card: SectionCard, view: ModelsView, trial: str | None) -> Compatibility | None:
    """How the next run would resume, None without a checkpoint or a card that still declares its algorithm."""
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.configs import choose
    from orchestrator.wiring import compatibility_in_place

    if view.latest is None:
        return None
    identity = view.latest.identity
    try:
        chosen = choose(card, algorithm=identity.get("algorithm"), seed=identity.get("seed")) if trial else card
        return compatibility_in_place(project, chosen, view.latest)
    except BadInput:
        return None


def _model_lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        targets = ", ".join(f"{name} {target}" for name, target in row["profiles"].items())
        what = f"{row['algorithm']}, seed {row['seed']}" if row["algorithm"] else "nothing saved yet"
        trial = f" trial {row['trial']} ({what})" if row["trial"] else ""
        lines.append(f"{row['section']}{trial}: {row['steps']} steps in place (targets: {targets})")
        lines += [f"  ✓ {stem}" for stem in row["checkpoints"]]
        lines += [f"  ✗ {stem}: {fault}" for stem, fault in row["faults"].items()]
        if row["resume"]:
            lines.append(f"  would resume: {row['resume']['grade']} (its own chain: {row['lowest_grade']})")
            lines += [f"    - {found['reason']} ({found['grade']})" for found in row["resume"]["reasons"]]
    return lines


def _run_lines(runs: list[RunRecord], sessions: list[SessionRecord]) -> list[str]:
    if not runs:
        return ["No runs yet: python -m orchestrator run section_7_6 --quick"]
    lines = ["Latest runs:"]
    for run in [run for run in runs if run.sessions or run.ended_at is None][-_SHOWN_RUNS:]:
        end = run.end_reason or "in flight or interrupted"
        steps = f"{run.steps_start} -> {run.steps_done} of {run.target_steps}"
        lines.append(f"  {run.run_id}  {run.backend} {run.profile}  {steps}  {end}  {run.verdict or '-'}")
        for session in sessions:
            if session.run_id == run.run_id:
                grade = f"  resumed {session.resume_grade}" if session.resume_grade else ""
                lines.append(f"    {session.slug}  {session.stage}  {session.end_reason or '-'}{grade}")
                lines += [f"      {problem}" for problem in session.problems]
    return lines


def _plain(session: SessionRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(session).items() if name != "ticket"}
