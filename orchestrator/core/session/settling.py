"""Decides whether the fetched outputs of an ended session can be judged, or should be fetched again later. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from orchestrator.core.session.backend_types import Observation, Retrieval
from orchestrator.core.session.judgement import foreign_parts
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import (
    CARD_SUFFIX,
    CHECKPOINTS,
    KEPT_SUFFIX,
    LOGS_SUFFIX,
    MANIFEST_NAME,
    MODEL_SUFFIX,
    NORMALIZATION_SUFFIX,
    STATE_SUFFIX,
    Ticket,
    checkpoint_steps,
    models_path,
    parse_report,
)

SHORT_PAUSES_S = (5.0, 15.0, 40.0)
LONG_PAUSES_S = (*SHORT_PAUSES_S, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0, 420.0)
"""Half an hour in total: outputs have appeared as late as ten minutes after the state said complete."""

HELD_OPEN_S = 6 * 3600.0
"""How long a session stays open if the backend cannot give its newest checkpoint or manifest, or lists another's."""
WAITS = 3
"""After this many commands have waited through all their pauses, the session is judged as it is."""


class Doubt(StrEnum):
    """What a later look may settle."""

    FILES = "files"
    """Some outputs are missing or damaged, but none that decides how the run continues."""
    MANIFEST = "manifest"
    """The session's manifest is missing although it should exist, or a newer checkpoint is: late, withheld, damaged."""
    STALE = "stale"
    """The listing is another session's. Its long patience counts apart: one such look at the end of another doubt says
    nothing about this session, and `stale_results` would end the training."""
    UNANSWERED = "unanswered"
    """The backend cannot give the manifest or a newer checkpoint now; without it, its steps would be trained again."""

    @property
    def pauses_s(self) -> tuple[float, ...]:
        """Pauses between the looks of one command, seconds."""
        return SHORT_PAUSES_S if self is Doubt.FILES else LONG_PAUSES_S

    @property
    def patience_s(self) -> float:
        """Seconds over all commands after which the session is judged as it is."""
        return HELD_OPEN_S if self in (Doubt.UNANSWERED, Doubt.STALE) else sum(self.pauses_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An open question: a doubt and its reason."""

    doubt: Doubt
    why: str


def open_question(
    ticket: Ticket,
    observation: Observation,
    retrieval: Retrieval,
    manifest: Manifest | None,
    faults: Sequence[str],
    *,
    steps_verified: int,
    silent: bool = False,
) -> Open | None:
    """What a later look may settle, None if nothing is in doubt.

    Args:
        ticket: What was pushed.
        observation: The last look.
        retrieval: The result of the fetch.
        manifest: The fetched manifest, None if it is missing or unreadable.
        faults: What is wrong with the fetched files.
        steps_verified: Steps of this session's newest complete checkpoint, 0 without one.
        silent: Whether it has no line of a log, although it was not stopped before it could write one.
    """
    own = manifest is not None and is_own(ticket, manifest)
    newer = [one for one in retrieval.files if _checkpoint_steps(ticket, one.path) > steps_verified]
    needed = [one for one in retrieval.files if not own and one.path == MANIFEST_NAME] + newer
    for one in needed:
        if one.lack is Lack.UNANSWERED:
            return Open(doubt=Doubt.UNANSWERED, why=str(one))
    if manifest is not None and not own:
        return Open(doubt=Doubt.STALE, why="the fetched manifest is another session's")
    if manifest is None and (faults or observation.succeeded):
        return Open(doubt=Doubt.MANIFEST, why=faults[0] if faults else f"{MANIFEST_NAME} is not there yet")
    for one in needed:
        if one.lack is not Lack.UNWRITABLE and not _never_written(one):
            return Open(doubt=Doubt.MANIFEST, why=str(one))
    if not own and retrieval.steps_saved > steps_verified:
        why = f"its log names a checkpoint at {retrieval.steps_saved} steps, which is not among the outputs yet"
        return Open(doubt=Doubt.MANIFEST, why=why)
    if manifest is None and silent:
        return Open(doubt=Doubt.MANIFEST, why="not even its log is there yet")
    if manifest is not None and (foreign := foreign_parts(ticket, manifest)):
        return Open(doubt=Doubt.FILES, why=foreign[0])  # its own nonce but other content: a byte was changed on the way
    temporary = [str(one) for one in retrieval.files if one.lack is not Lack.UNWRITABLE]
    temporary += [] if retrieval.files else retrieval.missing
    return Open(doubt=Doubt.FILES, why=temporary[0]) if temporary else None


def is_own(ticket: Ticket, manifest: Manifest) -> bool:
    """Whether a manifest has the nonce of exactly this session."""
    return bool(manifest.stamp.get("nonce") == ticket.nonce)


def newest_saved(lines: Iterable[str]) -> int:
    """Steps of the newest checkpoint that a session's log reports as saved, 0 without one."""
    reports = (report for line in lines if (report := parse_report(line)) is not None and report["kind"] == "saved")
    steps = (report.get("steps") for report in reports)
    return max((one for one in steps if isinstance(one, int) and not isinstance(one, bool)), default=0)


def checkpoint_paths(ticket: Ticket, paths: Iterable[str]) -> list[str]:
    """The paths that are files of a checkpoint."""
    return [path for path in paths if _checkpoint_steps(ticket, path)]


def without_named(faults: Sequence[str], lacking: Iterable[str]) -> tuple[str, ...]:
    """Faults of fetched files, without those that only say that one of these paths is missing."""
    known = {f"{path} is missing" for path in lacking}
    return tuple(fault for fault in faults if fault not in known)


def undamaged(files: Iterable[MissingFile]) -> tuple[MissingFile, ...]:
    """The files that could not be fetched; the damaged ones, which were fetched, are left out.

    A manifest that is not listed is left out too: the session may have written none.
    """
    return tuple(one for one in files if one.lack is not Lack.DAMAGED and not _never_written(one))


def _never_written(one: MissingFile) -> bool:
    return one.path == MANIFEST_NAME and one.lack is Lack.UNLISTED


def _checkpoint_steps(ticket: Ticket, path: str) -> int:
    """Steps of the checkpoint that a file belongs to, 0 for any other file."""
    posix = PurePosixPath(path)
    folder = models_path(Path(), ticket.section_dir) / CHECKPOINTS
    if posix.parent.as_posix() != folder.as_posix():
        return 0
    return checkpoint_steps(stem_of_file(posix.name)) or 0


def stem_of_file(name: str) -> str:
    """The stem that all files of a checkpoint share."""
    longer_first = (STATE_SUFFIX, NORMALIZATION_SUFFIX, KEPT_SUFFIX, LOGS_SUFFIX, MODEL_SUFFIX, CARD_SUFFIX)
    for suffix in longer_first:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name
