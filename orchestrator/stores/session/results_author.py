"""Finds the session that wrote a results folder, from the folder itself, if the ledger does not know it."""

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
"""Field of a stamp -> its type."""


def author_of(folder: Path, section_dir: str, scenario: str) -> Ticket | None:
    """The ticket of the session that wrote this folder, as far as the folder states it.

    The manifest states it; a killed session has only the stamps in its checkpoint cards.

    Args:
        section_dir: Folder name of the section.
        scenario: Scenario in the names of its checkpoints.

    Returns:
        Enough to verify the session's checkpoints; None if no readable file states the session.
    """
    try:
        manifest = read_manifest(folder)
    except (ValueError, OSError):
        manifest = None  # then the cards are read, which have their own digests
    if manifest is not None and _describes(manifest.spec, section_dir, scenario):
        return _ticket(manifest.stamp, manifest.spec, section_dir, manifest.inputs)
    verified = survey_checkpoints(models_path(folder, section_dir), scenario).verified
    if not verified:
        return None
    # The newest checkpoint is the session's own, since its inputs have fewer steps. Without a spec the target is
    # unknown: one step above the checkpoint, so that no final model is accepted.
    return _ticket(verified[0].stamp, {"scenario": scenario, "target_steps": verified[0].steps + 1}, section_dir, ())


def _describes(spec: Any, section_dir: str, scenario: str) -> bool:
    if not isinstance(spec, Mapping) or not isinstance(spec.get("target_steps", ""), int | None):
        return False
    return (spec.get("section_dir"), spec.get("scenario")) == (section_dir, scenario)


def _ticket(stamp: Any, spec: Mapping[str, Any], section_dir: str, inputs: tuple[FileEntry, ...]) -> Ticket | None:
    if not isinstance(stamp, Mapping) or not all(isinstance(stamp.get(name), kind) for name, kind in _STAMP.items()):
        return None
    fields = {name: stamp[name] for name in _STAMP}
    return Ticket(**fields, section_dir=section_dir, spec=spec, inputs=inputs)
