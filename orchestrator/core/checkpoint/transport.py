"""How checkpoints reach a session: the cheapest carrier that is available."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Carrier, CheckpointSet
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry, models_path

_NOWHERE = Path()


def choose_carrier(
    checkpoints: CheckpointSet,
    *,
    offered: Collection[Carrier],
    failed: Collection[Carrier] = (),
    fits_inline: bool,
) -> Carrier:
    """Choose how one session gets its checkpoints.

    Args:
        offered: Carriers of the backend.
        failed: Carriers of earlier attempts at this session whose files did not arrive. After any failure only
            `dataset` is used, even if it failed itself: a new version may have been mounted late.
        fits_inline: Whether the script with the checkpoints inside stays within the backend's limit.

    Returns:
        `none` without checkpoints, else the first available of `inline` (one request for everything),
        `kernel_output` (nothing is uploaded) and `dataset`.

    Raises:
        BadInput: None is available.
    """
    if not checkpoints.entries:
        return Carrier.NONE
    available = {
        Carrier.INLINE: fits_inline and not failed,
        Carrier.KERNEL_OUTPUT: checkpoints.source is not None and not failed,
        Carrier.DATASET: True,
    }
    for carrier, usable in available.items():
        if usable and carrier in offered:
            return carrier
    raise BadInput(
        f"{checkpoints.size_bytes} bytes of checkpoints cannot be sent to a session of this backend",
        remedy="Choose another backend with --backend, or start over with --fresh.",
    )


def manifest_holds(manifest: Manifest, section_dir: str, entries: Collection[FileEntry]) -> bool:
    """Whether a session's outputs hold all of these files, with equal digests.

    Args:
        section_dir: The section's folder in the outputs.
        entries: Files of a models directory, paths relative to it.
    """
    prefix = _models_prefix(section_dir)
    there = {(entry.path, entry.sha256, entry.size_bytes) for entry in manifest.files}
    return all((f"{prefix}/{entry.path}", entry.sha256, entry.size_bytes) in there for entry in entries)


@cache  # called for each earlier session of a lineage
def _models_prefix(section_dir: str) -> str:
    return models_path(_NOWHERE, section_dir).as_posix()


def inline_bytes(size_bytes: int, files: int) -> int:
    """Upper bound of the bytes that checkpoints add to a script: base64 with line ends, a zip header per file."""
    return (size_bytes + 512 * (files + 1)) * 138 // 100
