"""Lists a session's outputs, all pages, and searches the newest kernels for a session."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.mapping import OutputFile
from orchestrator.backends.kaggle.session.download import confined

_MOST_PAGES = 500
"""Kaggle keeps about 500 files of a session, so even pages of one file end before."""
_MOST_EMPTY_PAGES = 3
"""Pages in a row without a new name; more of them are an endless listing."""
_MOST_ADDRESSES = 3

_NEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One listing.

    Attributes:
        files: Path -> file, for paths that can be used here.
        refused: Paths that cannot be used here.
        log: The log in the listing, empty if there is none.
        again: Path -> its further addresses, for a path that is listed several times.
    """

    files: Mapping[str, OutputFile]
    refused: tuple[str, ...]
    log: str
    again: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def addresses(self, path: str) -> tuple[str, ...]:
        """All addresses under which a path is listed; which of them has the right file shows its digest."""
        return (self.files[path].url, *self.again.get(path, ()))

    def below(self, folder: str) -> Listing:
        """The files below a folder, with paths relative to it; the log is that of the whole session."""
        start = f"{folder}/"
        inside = {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}
        refused = tuple(path.removeprefix(start) for path in self.refused if path.startswith(start))
        again = {path.removeprefix(start): urls for path, urls in self.again.items() if path.startswith(start)}
        return Listing(files=inside, refused=refused, log=self.log, again=again)


def list_outputs(api: KaggleApi, owner: str, slug: str) -> Listing:
    """List the outputs of a session.

    A page whose next page was already read ends the listing, and so does a listing that brings nothing new; files not
    listed by then count as missing.

    Raises:
        ServiceFault: Kaggle did not answer.
    """
    files: dict[str, OutputFile] = {}
    again: dict[str, tuple[str, ...]] = {}
    refused: dict[str, None] = {}
    log, token, seen, empty_pages = "", "", set[str](), 0
    while token not in seen and len(seen) < _MOST_PAGES and empty_pages < _MOST_EMPTY_PAGES:
        seen.add(token)
        page = api.output_page(owner, slug, token)
        log, known = log or page.log, len(files) + len(refused)
        for file in page.files:
            if confined(file.path):
                path = PurePosixPath(file.path).as_posix()  # `./a` and `a` are one file
                first = files.setdefault(path, file)
                others = again.get(path, ())
                if file.url not in (first.url, *others) and len(others) < _MOST_ADDRESSES - 1:
                    again[path] = (*others, file.url)
            else:
                refused[file.path] = None
        empty_pages = 0 if len(files) + len(refused) > known else empty_pages + 1
        token = page.next_token
        if not token:
            break
    return Listing(files=files, refused=tuple(refused), log=log, again=again)


def renamed_slug(api: KaggleApi, nonce: str) -> str | None:
    """The slug of the kernel that holds a nonce, among the newest of the account; None if none of them does.

    Kaggle may give a kernel another slug than was asked for, and the answer that names it may be lost.

    Raises:
        ServiceFault: Kaggle did not answer.
    """
    for slug in itertools.islice(api.kernel_slugs(), _NEWEST):
        record = api.kernel(api.account, slug)
        if record is not None and nonce in record.source:
            return slug
    return None
