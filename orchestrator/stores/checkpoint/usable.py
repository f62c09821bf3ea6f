"""Checks that a models directory can be used, before anything waits or trains."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.stores.checkpoint.volumes import PARTS, volumes

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def require_usable(models: Path) -> None:
    """Refuse a models directory that a restore could not write to.

    Raises:
        BadInput: A link leads nowhere, or a file lies where a folder must be.
    """
    require_readable(models)
    for volume in volumes(models):
        if os.path.lexists(volume.archives) and not volume.archives.is_dir():
            raise BadInput(
                f"{volume.archives} is not a folder, but the archive needs a folder of that name",
                remedy="Move or rename it, then run the same command again.",
            )


def require_readable(models: Path) -> None:
    """Refuse what would look like an empty directory: a link to a missing disk, or a file.

    Raises:
        BadInput: It is one of these.
    """
    for folder in (models, *(models / part for part in PARTS)):
        if folder.is_symlink() and not folder.exists():
            raise BadInput(
                f"{folder} is a link to {folder.readlink()}, which is not there",
                remedy="Connect the disk or correct the link, then run the same command again.",
            )
    if os.path.lexists(models) and not models.is_dir():
        raise BadInput(
            f"{models} is a file, but the checkpoints need a folder of that name",
            remedy="Move or rename it, then run the same command again.",
        )


@contextmanager
def writing(models: Path) -> Iterator[None]:
    """Turn a refused write into a message with a remedy; a full disk is reported by the caller.

    Raises:
        BadInput: A file or folder cannot be changed.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno in NO_ROOM:
            raise
        raise BadInput(
            f"{fault.filename or models} cannot be changed: {fault.strerror or fault}",
            remedy="Give yourself the right to write there, then run the same command again; nothing is lost.",
        ) from fault
