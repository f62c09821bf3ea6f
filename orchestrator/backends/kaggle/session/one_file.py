"""Gets single output files: downloaded, reused from an earlier fetch, or reported missing with a reason."""

from __future__ import annotations

import errno
import os
import shutil
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.download import agrees, download
from orchestrator.backends.kaggle.session.expected_files import is_card
from orchestrator.backends.kaggle.session.listing import Listing
from orchestrator.backends.kaggle.session.output_zip import MANIFEST_BYTES, UNDESCRIBED_BYTES
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry

_MOST_UNANSWERED = 3
_UNANSWERED_S = 180.0
"""After so many unanswered downloads in so many seconds and no answered one, Kaggle counts as unreachable."""

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
        self._unanswered_s = 0.0
        self._names: dict[str, str] = {}

    def get(
        self,
        listing: Listing,
        path: str,
        expected: FileEntry | None,
        fault_of: Callable[[], str] = lambda: "",
    ) -> MissingFile | None:
        """Get one file unless it is here; returns why it is missing, None if it is not.

        A path that is listed several times is taken from the first address whose file is right.

        Args:
            expected: Size and digest from the manifest or a card, None if neither describes it.
            fault_of: What is wrong with the file that was just fetched, empty if nothing is.

        Raises:
            ServiceFault: Several files were requested and Kaggle answered for none of them.
            OSError: This computer cannot write files at all (for example: full disk).
        """
        try:
            if (other := self._other_name(path)) is not None:
                reason = f"and {other} are one file on this computer, which ignores the case of names"
                return MissingFile(path=path, lack=Lack.UNWRITABLE, reason=reason)
            if self._is_here(path, expected):
                return None
            if path in self._unanswered:
                return _unanswered(path, self._unanswered[path])  # its retries are used up
            if path not in listing.files:
                return MissingFile(path=path, lack=Lack.UNLISTED, reason="is not listed")
            return self._from_addresses(listing, path, expected, fault_of)
        except OSError as fault:
            if fault.errno not in _BAD_NAME:
                raise
            reason = f"cannot be written on this computer: {fault.strerror}"
            return MissingFile(path=path, lack=Lack.UNWRITABLE, reason=reason)
        except ValueError:  # the encoding of file names here has no such character
            return MissingFile(path=path, lack=Lack.UNWRITABLE, reason="cannot be a file name on this computer")

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

    def _other_name(self, path: str) -> str | None:
        """The path that is the same file as this one on this computer, None if it is a file of its own.

        Such names differ in case, or in the Unicode form of an accent.
        """
        first = self._names.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        own, other = self._into / path, self._into / first
        return first if first != path and own.exists() and other.exists() and own.samefile(other) else None

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

    def _from_addresses(
        self, listing: Listing, path: str, expected: FileEntry | None, fault_of: Callable[[], str]
    ) -> MissingFile | None:
        lack: MissingFile | None = None
        for url in listing.addresses(path):
            lack = self._download(url, path, expected)
            if lack is None and (fault := fault_of()):
                lack = MissingFile(path=path, lack=Lack.DAMAGED, reason=f"is damaged: {fault}")
            if lack is None:
                return None
        return lack

    def _download(self, url: str, path: str, expected: FileEntry | None) -> MissingFile | None:
        most_bytes = MANIFEST_BYTES if path == MANIFEST_NAME or is_card(path) else UNDESCRIBED_BYTES

        def once() -> bool:
            return download(self._api, url, self._into / path, expected, most_bytes=most_bytes)

        try:
            # After one unanswered file the others are tried once each: retrying every one would take minutes per file.
            whole = once() if self._unanswered else self._retry(once)
        except ServiceFault as fault:
            if not fault.transient:
                self._answered = True
                return MissingFile(path=path, lack=Lack.WITHHELD, reason=f"could not be fetched: {fault}")
            self._unanswered_s = self._unanswered_s if self._unanswered else self._retry.now_s
            self._unanswered[path] = fault
            long = self._retry.now_s - self._unanswered_s >= _UNANSWERED_S
            if len(self._unanswered) >= _MOST_UNANSWERED and long and not self._answered:
                raise
            return _unanswered(path, fault)
        self._answered = True
        if whole:
            self._fetched.add(path)
            return None
        if expected is None:
            reason = f"is larger than {most_bytes / 1e6:.0f} MB, and neither a manifest nor a card describes it"
        else:
            reason = "differs from its description in the manifest or card"
        return MissingFile(path=path, lack=Lack.DAMAGED, reason=reason)


def _unanswered(path: str, fault: ServiceFault) -> MissingFile:
    return MissingFile(path=path, lack=Lack.UNANSWERED, reason=f"could not be fetched: {fault}")
