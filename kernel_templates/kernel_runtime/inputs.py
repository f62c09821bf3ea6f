"""Finding a session's inputs by digest, wherever the platform mounted them, and placing them for training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from kernel_templates.kernel_runtime.digests import first_fault, sha256_file
from kernel_templates.kernel_runtime.endings import SessionRefused
from kernel_templates.kernel_runtime.wire import FileEntry


def place_inputs(entries: Sequence[FileEntry], *, search: Path, models_dir: Path) -> None:
    """Copy every expected file from somewhere below `search` into the models directory.

    Args:
        entries: What the ticket promises, paths relative to the models directory.
        search: The input mount.
        models_dir: Where training will look; must not hold anything yet.

    Raises:
        SessionRefused: A promised file is nowhere, or the copy does not have its digest. Training on
            anything else than what was promised would be a silent fresh start.
    """
    missing = []
    for entry in entries:
        source = _find(entry, search)
        if source is None:
            missing.append(entry.path)
            continue
        destination = models_dir / entry.path
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    if missing:
        raise SessionRefused(f"carrier_missing: {len(missing)} input(s) not found by digest: {', '.join(missing)}")
    fault = first_fault(entries, models_dir)
    if fault:
        raise SessionRefused(f"carrier_missing: {fault}")


def _find(entry: FileEntry, search: Path) -> Path | None:
    name = Path(entry.path).name
    for candidate in sorted(search.rglob(name)):
        same_size = candidate.is_file() and candidate.stat().st_size == entry.size_bytes
        if same_size and sha256_file(candidate) == entry.sha256:
            return candidate
    return None
