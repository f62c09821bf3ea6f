"""A copy, on this computer, of what was seen of the sessions' folders on the login node."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.kernel.files.atomic import write_bytes
from orchestrator.kernel.files.outputs import remove_tree
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.reading.tar import read_tar
from orchestrator.kernel.wire import MANIFEST_NAME, PACK_NAME

_LOGS = "kernel."
"""Begins the names of the logs; other files of that kind are never brought."""
_OLD_S = 7 * 86_400.0


class Mirror:
    """The copies of all sessions.

    Small files and the folders of the starts are as the last look has seen them. A log and outputs that were brought
    stay beside them until the look shows another session.

    Args:
        root: Holds a folder for each session.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, slug: str, silences_s: Mapping[int | None, float] | None) -> SessionFolder:
        """The copy of one session."""
        return SessionFolder(root=self.root / slug, silences_s=silences_s)

    @property
    def parts(self) -> Path:
        """Holds files that are on their way."""
        return self.root / ".parts"

    @contextmanager
    def alone(self, slug: str, act: str) -> Iterator[None]:
        """Keep other commands from doing the same to the copy of this session."""
        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{slug}.{act}"):
            yield

    def drop(self, slug: str) -> None:
        """Forget a session."""
        with self.alone(slug, "look"):
            if (self.root / slug).exists():
                remove_tree(self.root / slug)

    def sweep(self) -> None:
        """Delete files that have been on their way for a week."""
        for path in self.parts.glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _OLD_S:
                    path.unlink()

    def take(self, slugs: Collection[str], archive: bytes) -> None:
        """Make the copies of these sessions equal to what a look has seen.

        Args:
            slugs: Sessions that exist there.
            archive: A tar of their small files.

        Raises:
            ConnectionError: It is no tar, or is cut off.
        """
        seen: dict[str, dict[PurePosixPath, bytes | None]] = {slug: {} for slug in slugs}
        try:
            for path, content in read_tar(archive, "the answer") if slugs else ():
                slug, *below = path.parts or ("",)
                if slug in seen and below:
                    seen[slug][PurePosixPath(*below)] = content
        except Unreadable as fault:
            raise ConnectionError(str(fault)) from fault
        for slug, files in seen.items():
            with self.alone(slug, "look"):
                self._update(slug, files)

    def _update(self, slug: str, files: Mapping[PurePosixPath, bytes | None]) -> None:
        root = self.root / slug
        nonce = files.get(PurePosixPath("nonce"))
        if root.exists() and (
            nonce is None or self.folder(slug, None).read_nonce() != nonce.decode("ascii", "replace")
        ):
            remove_tree(root)  # another session, under a name that was never submitted
        root.mkdir(parents=True, exist_ok=True)
        for path in self._own(root):
            if PurePosixPath(path.relative_to(root).as_posix()) not in files:
                remove_tree(path) if path.is_dir() else path.unlink()
        for name, content in files.items():
            path = root / name
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
            elif not path.is_file() or path.read_bytes() != content:
                write_bytes(path, content)

    @staticmethod
    def _own(root: Path) -> list[Path]:
        """What the looks have put here, deepest first."""
        starts = root / "starts"
        deep = [path for name in (MANIFEST_NAME, PACK_NAME) for path in starts.glob(f"*/working/{name}")]
        deep += starts.glob(f"*/working/*/{MANIFEST_NAME}")
        return [*deep, *starts.glob("*"), *(path for path in root.iterdir() if not path.name.startswith(_LOGS))]

    def append(self, path: Path, begins: int, content: bytes) -> None:
        """Continue the copy of a file that only grows.

        Args:
            begins: The byte at which the content begins; what was behind it is left out.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as stream:
            stream.seek(begins)
            stream.truncate()
            stream.write(content)

    def keep_only(self, slug: str, outputs: str, known: set[str]) -> None:
        """Delete outputs that the login node does not have any more.

        Args:
            outputs: Pattern of their folders below that of the starts.
            known: Paths relative to the folder of the starts.
        """
        starts = self.root / slug / "starts"
        for top in starts.glob(outputs):
            for folder, folders, names in os.walk(top):
                for name in (*folders, *names):
                    path = Path(folder, name)
                    if path.relative_to(starts).as_posix() not in known:
                        remove_tree(path) if name in folders else path.unlink()
                folders[:] = [name for name in folders if Path(folder, name).is_dir()]
