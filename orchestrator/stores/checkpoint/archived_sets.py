"""Finds the checkpoints in the archive of a models directory; each folder of it has the layout of that directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.stores.checkpoint.entries import checkpoint_entries
from orchestrator.stores.checkpoint.volumes import volumes


def archived_sets(models: Path, scenario: str) -> Iterator[FetchedCheckpoints]:
    """The verified checkpoints of each folder of the archive, and the faults of the others; folders by name."""
    for volume in volumes(models):
        folders = volume.archives.iterdir() if volume.archives.is_dir() else ()
        for folder in sorted(path for path in folders if path.is_dir() and not path.is_symlink()):
            survey = survey_checkpoints(folder, scenario)
            if survey.verified or survey.faults:
                yield FetchedCheckpoints(
                    root=folder,
                    verified=survey.verified,
                    entries=tuple(checkpoint_entries(folder, survey.verified)),
                    faults=survey.faults,
                )
