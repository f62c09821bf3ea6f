"""Which session wrote a results folder, read from the folder itself: for a computer whose ledger does not know it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import FileEntry, Ticket, models_path

_STAMP = {
    "run_id": str,
    "session": int,
    "attempt": int,
    "nonce": str,
    "section": str,
    "lineage_id": str,
    "spec_digest": str,
    "bundle_digest": str,
}
"""Field of a stamp -> its kind."""


def author_of(folder: Path, section_dir: str, scenario: str) -> Ticket | None:
    """The ticket of the session that wrote this folder, as far as the folder tells.

    The manifest says it; a session that was killed has only the stamps in its checkpoint cards.

    Args:
        section_dir: Folder name of the section whose checkpoints are looked for.
        scenario: Of its checkpoints.

    Returns:
        Enough to verify what the session brought; None where nothing readable says who wrote it.
    """
    try:
        manifest = read_manifest(folder)
    except (ValueError, OSError):
        manifest = None  # a damaged manifest says nothing; the cards have digests of their own
    if manifest is not None and _describes(manifest.spec, section_dir, scenario):
        return _ticket(manifest.stamp, manifest.spec, section_dir, manifest.inputs)
    verified = survey_checkpoints(models_path(folder, section_dir), scenario).verified
    if not verified:
        return None
    # The newest is its own: what it was given has fewer steps. Without its spec no final model is believed.
    return _ticket(verified[0].stamp, {"scenario": scenario, "target_steps": verified[0].steps + 1}, section_dir, ())


def _describes(spec: Any, section_dir: str, scenario: str) -> bool:
    if not isinstance(spec, Mapping) or not isinstance(spec.get("target_steps"), int):
        return False
    return (spec.get("section_dir"), spec.get("scenario")) == (section_dir, scenario)


def _ticket(stamp: Any, spec: Mapping[str, Any], section_dir: str, inputs: tuple[FileEntry, ...]) -> Ticket | None:
    if not isinstance(stamp, Mapping) or not all(isinstance(stamp.get(name), kind) for name, kind in _STAMP.items()):
        return None
    fields = {name: stamp[name] for name in _STAMP}
    return Ticket(**fields, section_dir=section_dir, spec=spec, inputs=inputs)
