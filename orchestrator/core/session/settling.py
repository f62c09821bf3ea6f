"""Whether what was fetched of an ended session can be judged, or another look would settle more. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from orchestrator.core.session.backend_types import Observation, Retrieval
from orchestrator.core.session.judgement import strangers
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import (
    CARD_SUFFIX,
    CHECKPOINTS,
    MANIFEST_NAME,
    MODEL_SUFFIX,
    STATE_SUFFIX,
    Ticket,
    checkpoint_steps,
    models_path,
)

SHORT_PAUSES_S = (5.0, 15.0, 40.0)
LONG_PAUSES_S = (*SHORT_PAUSES_S, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0, 420.0)
"""Half an hour: outputs have been seen to show ten minutes after the word that the session is complete."""

HELD_OPEN_S = 6 * 3600.0
"""So long a session stays open whose newest checkpoint, or manifest, the backend cannot give now."""
WAITS = 3
"""So many commands that each waited in vain to the end of their patience do as well."""


class Doubt(StrEnum):
    """What another look may settle."""

    FILES = "files"
    """Some outputs are not here, or are not what was described: nothing that decides how the run goes on."""
    MANIFEST = "manifest"
    """There is no manifest of this session although there should be one, or a newer checkpoint is not listed yet."""
    UNANSWERED = "unanswered"
    """The backend cannot give the manifest or a newer checkpoint now: to go on without it would train it again."""

    @property
    def pauses_s(self) -> tuple[float, ...]:
        """Pauses between the looks of one command."""
        return SHORT_PAUSES_S if self is Doubt.FILES else LONG_PAUSES_S

    @property
    def patience_s(self) -> float:
        """Seconds, over all commands, after which the session is judged as it is."""
        return HELD_OPEN_S if self is Doubt.UNANSWERED else sum(self.pauses_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A doubt, and the words for it."""

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
) -> Open | None:
    """What another look may settle, None when nothing is in doubt.

    Args:
        ticket: What was pushed.
        observation: The last look.
        retrieval: What the fetch brought.
        manifest: The manifest that came, None without one that can be read.
        faults: What is wrong with the fetched files.
        steps_verified: Steps of the newest checkpoint of this session that came whole, 0 without one.
    """
    own = manifest is not None and is_own(ticket, manifest)
    newer = [one for one in retrieval.files if _checkpoint_steps(ticket, one.path) > steps_verified]
    asked_for = [one for one in retrieval.files if not own and one.path == MANIFEST_NAME] + newer
    for one in asked_for:
        if one.lack is Lack.UNANSWERED:
            return Open(doubt=Doubt.UNANSWERED, why=str(one))
    if manifest is not None and not own:
        return Open(doubt=Doubt.MANIFEST, why="the manifest that came is another session's")
    if manifest is None and (faults or observation.succeeded):
        return Open(doubt=Doubt.MANIFEST, why=faults[0] if faults else f"{MANIFEST_NAME} is not there yet")
    if own and any(one.lack is Lack.UNLISTED for one in newer):
        return Open(doubt=Doubt.MANIFEST, why=str(newer[0]))
    if manifest is not None and (foreign := strangers(ticket, manifest)):
        return Open(doubt=Doubt.FILES, why=foreign[0])  # its own nonce, and yet: one byte changed on the way does that
    passing = [str(one) for one in retrieval.files if one.lack is not Lack.UNWRITABLE]
    passing += [] if retrieval.files else retrieval.missing
    return Open(doubt=Doubt.FILES, why=passing[0]) if passing else None


def is_own(ticket: Ticket, manifest: Manifest) -> bool:
    """Whether a manifest bears the nonce of this very session."""
    return bool(manifest.stamp.get("nonce") == ticket.nonce)


def checkpoint_paths(ticket: Ticket, paths: Iterable[str]) -> list[str]:
    """Those of the paths that are files of a checkpoint."""
    return [path for path in paths if _checkpoint_steps(ticket, path)]


def without_named(faults: Sequence[str], lacking: Iterable[str]) -> tuple[str, ...]:
    """Faults of fetched files, but for those that say that one of these paths is missing: that is known."""
    known = {f"{path} is missing" for path in lacking}
    return tuple(fault for fault in faults if fault not in known)


def undamaged(files: Iterable[MissingFile]) -> tuple[MissingFile, ...]:
    """Files that could not be had: of the others something came that was not what was described.

    A manifest that is not listed is not among them: the session may have written none.
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
    """Stem that a file of a checkpoint shares with the others of it."""
    for suffix in (STATE_SUFFIX, MODEL_SUFFIX, CARD_SUFFIX):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name
