"""Reads for a page what the sessions of a project wrote; what cannot be read becomes a note and not an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.backends.local.sandbox import Sandbox
from orchestrator.core.cache import Cache
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Reports
from orchestrator.core.page.conversion.reading import recorded_reports, reports_in
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.checkpoint.card import read_card
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import CARD_SUFFIX, CHECKPOINTS, EVENTS_NAME, checkpoint_steps, models_path
from orchestrator.stores.project import Project
from orchestrator.stores.session.event_log import curve_in, own_events
from orchestrator.stores.session.results import fetched_folder
from orchestrator.wiring import LOCAL

_MOST_NOTES = 20
_MOST_KEPT = 20_000
_read: Cache[Reports] = Cache(_MOST_KEPT)
"""What each session reported, by its event file: a served page asks for all of them again and again."""


def forget() -> None:
    """Forget the event files that were read."""
    _read.clear()


class PageReader:
    """Reads outputs of sessions.

    Args:
        project: Its results folders and local sandboxes are read.

    Attributes:
        left_out: What is not examined because it would be too much, a sentence each.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._notes: dict[str, None] = {}
        self.left_out: list[str] = []

    def note(self, sentence: str) -> None:
        """Remember what could not be read; without the path of the project, because a page may be shown to others."""
        for path in (str(self._project.state), self._project.state.as_posix()):
            sentence = sentence.replace(path, ".")
        self._notes.setdefault(sentence)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, a sentence each; of very many, the first ones and their number."""
        found = list(self._notes)
        rest = len(found) - _MOST_NOTES
        return (*found[:_MOST_NOTES], *([f"{rest} more files could not be read."] if rest > 0 else []))

    def folder(self, record: SessionRecord) -> Path | None:
        """The fetched outputs of a session; None without them."""
        return fetched_folder(self._project.results, record)

    def reports(self, record: SessionRecord) -> Reports | None:
        """What a session reported; None for one that never trained."""
        begun = record.steps_begun
        if begun is None:
            return None
        folder = self.folder(record) or self._sandbox(record)
        if folder is None:
            if record.results_dir:
                self.note(
                    f"The results folder of {record.slug} is gone: its curve has only the evaluations that the ledger "
                    "knows. `fetch` downloads the outputs again if the backend still has them."
                )
            return recorded_reports(record, begun)
        path = folder / EVENTS_NAME
        try:
            seen = path.stat()
            state = (seen.st_mtime_ns, seen.st_size, begun, record.steps_done)
            return _read.get((path, record.key), state, lambda: _reported(record, path, begun))
        except FileNotFoundError:
            if record.stage is Stage.CLOSED and record.steps_done is not None:
                self.note(f"{record.slug} has no event file: its curve has only the evaluations that the ledger knows.")
        except (RunFailed, OSError) as fault:
            self.note(f"The event file of {record.slug} cannot be read: {fault}")
        return recorded_reports(record, begun)

    def stretch(self, record: SessionRecord) -> SessionCurve | None:
        """The learning curve of a session; None for one that never trained."""
        reports = self.reports(record)
        return None if reports is None else reports.curve

    def manifest(self, record: SessionRecord) -> Manifest | None:
        """The manifest of a session, without a look at the files that it lists; None without a readable one."""
        folder = self.folder(record)
        if folder is None:
            return None
        try:
            manifest = read_manifest(folder)
        except (OSError, Unreadable) as fault:
            self.note(f"The manifest of {record.slug} cannot be read: {fault}")
            return None
        if manifest is not None and manifest.stamp.get("nonce") != record.nonce:
            self.note(f"The manifest in {folder.name} is of another session than {record.slug}.")
            return None
        return manifest

    def grades(self, records: Sequence[SessionRecord]) -> dict[int, str]:
        """Steps of a checkpoint -> grade of the resume from it, as the newest checkpoint states it.

        Only asked for where a session that was killed left no grade of its own.
        """
        if all(one.resume_grade or not one.steps_begun for one in records):
            return {}
        for record in reversed(records):
            folder = self.folder(record)
            models = None if folder is None else models_path(folder, str(record.ticket["section_dir"])) / CHECKPOINTS
            newest = None if models is None else newest_card(models)
            if newest is None:
                continue
            try:
                card = read_card(newest)
            except (OSError, Unreadable) as fault:
                self.note(f"The checkpoint card {newest.name} of {record.slug} cannot be read: {fault}")
                continue
            if card.lineage_id == record.lineage_id:
                return {one.steps: one.continued for one in card.ancestry}
        return {}

    def _sandbox(self, record: SessionRecord) -> Path | None:
        """The output folder of a session on this computer that was not fetched yet."""
        if record.backend != LOCAL or record.handle is None or record.stage is Stage.CLOSED:
            return None
        handle = Handle.parse(record.handle)
        folder = Sandbox(root=self._project.own / "local" / handle.slug).output(handle.member)
        return folder if folder.is_dir() else None


def _reported(record: SessionRecord, path: Path, begun: int) -> Reports:
    events = own_events(record, path)
    return reports_in(events, curve_in(events, record, begun))


def newest_card(folder: Path) -> Path | None:
    """Card of the checkpoint with the most steps in a folder, not verified; None without one."""
    cards = [
        (steps, path) for path in folder.glob(f"*{CARD_SUFFIX}") if (steps := checkpoint_steps(path.stem)) is not None
    ]
    return max(cards)[1] if cards else None
