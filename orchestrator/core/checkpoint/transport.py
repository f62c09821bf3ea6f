"""How checkpoints travel into a session: the cheapest way that is open."""

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
    """Choose the carrier of one session.

    Args:
        offered: What the backend can do.
        failed: Carriers with which this session was tried before and its files did not arrive. After any
            failure only `dataset` is trusted, also again: a fresh version may have been mounted late.
        fits_inline: Whether the script stays within the backend's limit with the checkpoints inside.

    Returns:
        `none` at a beginning, else the first that is open of `inline` (one request carries all), `kernel_output`
        (nothing is uploaded) and `dataset`.

    Raises:
        BadInput: None is open.
    """
    if not checkpoints.entries:
        return Carrier.NONE
    open_ways = {
        Carrier.INLINE: fits_inline and not failed,
        Carrier.KERNEL_OUTPUT: checkpoints.source is not None and not failed,
        Carrier.DATASET: True,
    }
    for carrier, is_open in open_ways.items():
        if is_open and carrier in offered:
            return carrier
    raise BadInput(
        f"{checkpoints.size_bytes} bytes of checkpoints cannot be brought into a session of this backend",
        remedy="Choose another backend, or begin anew with --fresh.",
    )


def manifest_holds(manifest: Manifest, section_dir: str, entries: Collection[FileEntry]) -> bool:
    """Whether a session's outputs hold every one of these files, byte for byte.

    Args:
        section_dir: Folder of the section in the outputs.
        entries: Files of a models directory, paths relative to it.
    """
    prefix = _models_prefix(section_dir)
    there = {(entry.path, entry.sha256, entry.size_bytes) for entry in manifest.files}
    return all((f"{prefix}/{entry.path}", entry.sha256, entry.size_bytes) in there for entry in entries)


@cache  # asked for each earlier session of a lineage
def _models_prefix(section_dir: str) -> str:
    return models_path(_NOWHERE, section_dir).as_posix()


def inline_bytes(size_bytes: int, files: int) -> int:
    """Upper bound of what a checkpoint set adds to a script: base64 with line ends, and a zip header per file."""
    return (size_bytes + 512 * (files + 1)) * 138 // 100
