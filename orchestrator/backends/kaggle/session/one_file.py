"""Gets single output files: downloaded, reused from an earlier fetch, or reported missing with a reason."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.download import agrees, download
from orchestrator.backends.kaggle.session.listing import Listing
from orchestrator.backends.kaggle.session.output_zip import MANIFEST_BYTES
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry

_MOST_UNANSWERED = 3
"""After this many unanswered downloads and no answered one, Kaggle counts as unreachable."""

_BAD_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
    | ({errno.ENOENT} if os.name == "nt" else set())
)
"""Errors about the name of a file; other files can still be written."""


class FileFetcher:
    """Gets single files of one session.

    Args:
        into: Folder that is being filled.
        before: Folder of an earlier fetch; its files are reused if they agree with their description.
    """

    def __init__(self, api: KaggleApi, retry: Retry, *, into: Path, before: Path) -> None:
        self._api = api
        self._retry = retry
        self._into = into
        self._before = before
        self._fetched: set[str] = set()
        self._answered = False
        self._unanswered: dict[str, ServiceFault] = {}

    def get(self, listing: Listing, path: str, expected: FileEntry | None) -> MissingFile | None:
        """Get one file unless it is here; returns why it is missing, None if it is not.

        Args:
            expected: Size and digest from the manifest or a card, None if neither describes it.

        Raises:
            ServiceFault: Several files were requested and Kaggle answered for none of them.
            OSError: This computer cannot write files at all (for example: full disk).
        """
        try:
            if self._is_here(path, expected):
                return None
            if path in self._unanswered:
                return _unanswered(path, self._unanswered[path])  # its retries are used up
            if path not in listing.files:
                return MissingFile(path=path, lack=Lack.UNLISTED, reason="is not listed")
            return self._download(listing.files[path].url, path, expected)
        except OSError as fault:
            if fault.errno not in _BAD_NAME:
                raise
            reason = f"cannot be written on this computer: {fault.strerror}"
            return MissingFile(path=path, lack=Lack.UNWRITABLE, reason=reason)

    def take(self, paths: Collection[str]) -> None:
        """Note files that are in the folder already, from the zip of all outputs."""
        self._fetched |= set(paths)
        self._answered |= bool(paths)

    def forget(self, path: str) -> None:
        """Mark a file without description as damaged: the next call downloads it again."""
        self._fetched.discard(path)

    def require_any_answer(self) -> None:
        """Raise if no download at all was answered.

        Raises:
            ServiceFault: Kaggle answered for no file, not even for the manifest.
        """
        if MANIFEST_NAME in self._unanswered and not self._answered:
            raise self._unanswered[MANIFEST_NAME]

    def _is_here(self, path: str, expected: FileEntry | None) -> bool:
        if expected is None:
            return path in self._fetched
        if agrees(self._into / path, expected):
            return True
        if not agrees(self._before / path, expected):
            return False
        (self._into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._before / path, self._into / path)
        return True

    def _download(self, url: str, path: str, expected: FileEntry | None) -> MissingFile | None:
        most_bytes = MANIFEST_BYTES if path == MANIFEST_NAME else None

        def once() -> bool:
            return download(self._api, url, self._into / path, expected, most_bytes=most_bytes)

        try:
            # After one unanswered file the others are tried once each: retrying every one would take minutes per file.
            whole = once() if self._unanswered else self._retry(once)
        except ServiceFault as fault:
            if not fault.transient:
                self._answered = True
                return MissingFile(path=path, lack=Lack.WITHHELD, reason=f"could not be fetched: {fault}")
            self._unanswered[path] = fault
            if len(self._unanswered) >= _MOST_UNANSWERED and not self._answered:
                raise
            return _unanswered(path, fault)
        self._answered = True
        if whole:
            self._fetched.add(path)
            return None
        return MissingFile(path=path, lack=Lack.DAMAGED, reason="differs from its description in the manifest or card")


def _unanswered(path: str, fault: ServiceFault) -> MissingFile:
    return MissingFile(path=path, lack=Lack.UNANSWERED, reason=f"could not be fetched: {fault}")
