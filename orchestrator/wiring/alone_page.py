"""The page of a script that runs without a project, from its folder below `.orchestrator/alone`."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import __version__
from orchestrator.core.page.conversion.alone import AloneScript, alone_chain
from orchestrator.core.page.conversion.bars import bars_of
from orchestrator.core.page.conversion.headline import headline_of
from orchestrator.core.page.conversion.limits import TABLES_OF_SCRIPT, left_out_of, limits_of
from orchestrator.core.page.conversion.masked import masked_page
from orchestrator.core.page.conversion.rows import row_of, source_of
from orchestrator.core.page.page import Page, Subject
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.training.alone import ALONE, RESULTS
from orchestrator.kernel.wire import ALONE_RUN, CHECKPOINTS, EVENTS_NAME
from orchestrator.stores.reporting.pictures import pictures_in
from orchestrator.stores.secrets.rules import masking
from orchestrator.stores.session.event_log import readable_events
from orchestrator.wiring.live import alone_progress
from orchestrator.wiring.page.reading import newest_card


def alone_folder(word: str, start: Path) -> Path | None:
    """The folder of a script's training, by the script's path or the training's name; None if there is none.

    Args:
        start: The folder in which the script was started.
    """
    name = Path(word.removesuffix(".py"))
    if name.is_absolute():
        name = name.relative_to(start) if name.is_relative_to(start) else Path(name.name)
    if not name.parts or ".." in name.parts:
        return None
    folder = start / ALONE / name
    return folder if (folder / CHECKPOINTS).is_dir() or (folder / EVENTS_NAME).is_file() else None


def alone_page(folder: Path, *, script: Path | None, command: str, now: datetime, steps_now: int | None = None) -> Page:
    """The page of a script's training.

    Args:
        folder: Holds its event file and its checkpoints.
        script: The script, None if it is not known.
        command: The command that makes the page again.
        now: Aware time.
        steps_now: Steps of the run in this process, None if this process does not train.
    """
    notes: list[str] = []
    newest, events = _newest(folder, notes), []
    try:
        events = readable_events(folder / EVENTS_NAME)
    except (OSError, Unreadable) as fault:
        notes.append(f"The event file of {folder.name} cannot be read: {fault}")
    again = f"python {shlex.quote(script.as_posix())}" if script is not None else ""
    live = _live(folder, now, steps_now)
    chain = alone_chain(AloneScript(name=folder.name, command=again, newest=newest, live=live), events)
    mask, limits, source = masking(), limits_of(1), source_of(chain)
    pictures, unread, large = pictures_in(
        [(folder / RESULTS, source)] if source is not None else [], mask, limits.picture_bytes
    )
    page = Page(
        subject=Subject.RUN,
        title=folder.name,
        made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        command=command,
        headline=headline_of([chain]),
        trainings=(row_of(chain, limits),) if chain.everything else (),
        sessions=tuple(bars_of(chain)),
        pictures=pictures,
        notes=(*notes, *unread),
        left_out=(*left_out_of([chain], limits, TABLES_OF_SCRIPT), *large),
        versions={"orchestrator": __version__},
    )
    return masked_page(page, mask)


def _live(folder: Path, now: datetime, steps_now: int | None) -> LiveProgress | None:
    """How far the script is; None if no process trains it. The latest report is up to 15 s older than `steps_now`."""
    live = alone_progress(folder, now)
    if steps_now is None:
        return live
    live = live or LiveProgress(
        session=folder.name, backend=ALONE_RUN, handle=None, stage="", state="", steps=0, target_steps=None
    )
    return replace(live, steps=max(live.steps, steps_now))


def _newest(folder: Path, notes: list[str]) -> CheckpointCard | None:
    path = newest_card(folder / CHECKPOINTS)
    if path is None:
        return None
    try:
        return read_card(path)
    except (OSError, Unreadable) as fault:
        notes.append(f"The checkpoint card {path.name} cannot be read: {fault}")
        return None
