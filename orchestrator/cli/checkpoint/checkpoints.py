"""`checkpoints list`, `restore` and `archive`: look at the checkpoints of a training, and choose the one in place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, TrainingOptions

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.section.card import SectionCard
    from orchestrator.pipeline.context import RunContext

_Steps = Annotated[int, typer.Argument(help="Steps of the checkpoint; `checkpoints list` shows them.", min=1)]


def list_checkpoints(options: TrainingOptions, as_json: AsJson = False) -> int:
    """List every checkpoint on this computer: in place, in the archive and in the results. Changes nothing."""
    from orchestrator.core.section.overrides import counts_steps
    from orchestrator.pipeline.control.checkpoints import find_checkpoints

    with _training(options, as_json, only_look=True) as (run_context, card, console):
        rows = [one.to_json() for one in find_checkpoints(run_context, card)]
    console.say(*(line for row in rows for line in _lines(row)))
    if not rows:
        where = "a run starts from step 0" if counts_steps(card) else "it counts no steps and saves none"
        console.say(f"No checkpoint of {card.section}: {where}", *_alone_lines(card))
    if as_json:
        print_json({"section": card.section, "checkpoints": rows})
    return 0


def restore(options: TrainingOptions, steps: _Steps, as_json: AsJson = False) -> int:
    """Put an earlier checkpoint in place, from the archive or the results; what it replaces is archived."""
    from orchestrator.pipeline.control.checkpoints import restore_checkpoint

    with _training(options, as_json) as (run_context, card, console):
        inventory, archive = restore_checkpoint(run_context, card, steps)
    console.say(f"{inventory.steps} steps in place; the next run continues from there")
    replaced = archive if archive.is_dir() else None
    if replaced is not None:
        console.say(f"What was in place before is kept in {replaced}")
    if as_json:
        kept = replaced.as_posix() if replaced else None
        print_json({"section": card.section, "steps_in_place": inventory.steps, "archive": kept})
    return 0


def archive(options: TrainingOptions, as_json: AsJson = False) -> int:
    """Put everything that is in place aside, in the archive: the next run starts from step 0."""
    from orchestrator.pipeline.control.checkpoints import archive_checkpoints

    with _training(options, as_json) as (run_context, card, console):
        steps, folder = archive_checkpoints(run_context, card)
    if folder is None:
        console.say("Nothing is in place: nothing was moved")
    else:
        console.say(
            f"{steps} steps put aside; the next run starts from step 0",
            f"To take them back: `python -m orchestrator checkpoints restore {card.section} {steps}`",
        )
    if as_json:
        kept = folder.as_posix() if folder else None
        print_json({"section": card.section, "steps_archived": steps, "archive": kept})
    return 0


def _lines(row: dict[str, Any]) -> Iterator[str]:
    from orchestrator.kernel.checkpoint.adopted import adopted_line

    sign, place = ("✓" if row["usable"] else "✗"), row["place"]
    if row["session"] is None:
        yield f"{sign} {row['steps']} steps  {place}: {row['why_not']}"
    else:
        size = f"{row['size_bytes'] / 1e6:.1f} MB"
        why = f": {row['why_not']}" if row["why_not"] else ""
        yield (
            f"{sign} {row['steps']} steps  {place}  grade {row['lowest_grade']}  {size}  saved {row['saved_at']}  "
            f"session {row['session']}{why}"
        )
    if row["adopted"]:
        yield f"    {adopted_line(row['adopted'])}"
    if place != "in place":
        yield f"    {row['folder']}"


def _alone_lines(card: SectionCard) -> Iterator[str]:
    """What the section's script has saved without the section: it is another training."""
    from orchestrator.stores.checkpoint.alone_trainings import alone_trainings
    from orchestrator.stores.project import find_project

    state = find_project().state
    for one in alone_trainings(state):
        if card.script is not None and one.steps and one.script == state / card.script:
            yield (
                f"{card.script} alone has saved {one.steps} steps in {one.folder}: `python {card.script}` continues "
                "them, the section does not"
            )


@contextmanager
def _training(
    options: TrainingOptions, as_json: bool, *, only_look: bool = False
) -> Iterator[tuple[RunContext, SectionCard, Console]]:
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import LOCAL, assemble, make_backend

    project = find_project()
    card = options.card(project)
    console = Console(sys.stderr if as_json else sys.stdout)
    # No backend is asked, so none needs an account: the ledger alone says whether a session is in flight.
    with assemble(project, card, make_backend(LOCAL, project, card), console, only_look=only_look) as run_context:
        yield run_context, card, console
