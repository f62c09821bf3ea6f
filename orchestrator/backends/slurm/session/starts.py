"""What one start of a session has written: whose it is, what it counts among several, when it changed."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import Ticket, models_path


def own_manifest(output: Path, ticket: Ticket | None) -> Manifest | None:
    """The manifest in an output folder; None if there is none, it is damaged, or it is another session's."""
    try:
        manifest = read_manifest(output)
    except ValueError:
        return None  # after the fetch a damaged manifest is reported
    foreign = ticket is not None and manifest is not None and manifest.stamp.get("nonce") != ticket.nonce
    return None if foreign else manifest


def rank(output: Path, ticket: Ticket | None) -> tuple[bool, int]:
    """What a start counts among several: the higher, the more.

    A session's own manifest counts most, then the steps in it; without one the steps of the newest checkpoint.
    """
    manifest = own_manifest(output, ticket)
    if manifest is not None:
        return True, manifest.outcome.steps_done or 0
    scenario = ticket.spec.get("scenario") if ticket else None
    if ticket is None or scenario is None:
        return False, 0
    latest = survey_checkpoints(models_path(output, ticket.section_dir), str(scenario)).latest
    return False, latest.steps if latest else 0


def changed(path: Path) -> float | None:
    """When a file changed, seconds since the epoch; None if there is none."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return None  # not there yet, or deleted meanwhile
