"""Replacing a full directory, which no system can do in one step: two renames under a journal.

The journal is written when the new directory is complete and verified beside the old one. From then on the
swap can be cut off anywhere, and `finish_swap` brings it to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

from kernel_templates.kernel_runtime.atomic import sync_folder, write_json


def swap(target: Path, staged: Path, archive: Path, journal: Path) -> None:
    """Put `staged` in place of `target`, which goes to `archive`.

    Args:
        target: May be absent.
        staged: Complete and verified; on the same file system as the target.
        archive: Must not exist.
        journal: Written first, removed last.
    """
    write_json(
        journal,
        {"target": target.name, "staged": staged.name, "archive": str(archive.relative_to(target.parent))},
    )
    finish_swap(target.parent, journal)


def finish_swap(folder: Path, journal: Path) -> str | None:
    """Bring a swap that was cut off to its end.

    Returns:
        What was done, None when there was nothing to do.
    """
    if not journal.is_file():
        return None
    plain = json.loads(journal.read_text(encoding="utf-8"))
    target, staged, archive = (folder / plain[name] for name in ("target", "staged", "archive"))
    if staged.is_dir():
        if target.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            os.replace(target, archive)
        os.replace(staged, target)
        sync_folder(folder)
        done = "finished a restore that was cut off"
    else:
        done = "a restore that was cut off had already put its files in place"
    journal.unlink()
    return done


def discard(folder: Path) -> None:
    """Remove a directory tree if it is there, write-protected folders included."""
    if not folder.is_dir():
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IRWXU)
    shutil.rmtree(folder)
