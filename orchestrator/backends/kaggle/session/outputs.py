"""Fetches all outputs of an ended session: each file is checked, then the results folder is replaced as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.log_parser import assemble, lines_of_log
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.download import partial_of
from orchestrator.backends.kaggle.session.expected_files import (
    ExpectedFiles,
    expected_by_cards,
    expected_by_manifest,
    is_card,
    manifest_in,
)
from orchestrator.backends.kaggle.session.listing import Listing, list_outputs
from orchestrator.backends.kaggle.session.one_file import FileFetcher
from orchestrator.backends.kaggle.session.output_zip import FEWEST_FILES, PackZips, fetch_zip, session_id_in
from orchestrator.core.diagnostics.storage import storage_fault
from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Handle, Retrieval
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.pack import own_lines
from orchestrator.core.session.settling import newest_saved
from orchestrator.kernel.files.atomic import replace_folder, sync_tree
from orchestrator.kernel.files.storage import free_text, storage_path, storage_trouble
from orchestrator.kernel.wire import MANIFEST_NAME, member_folder

LOG_NAME = "kernel.log"
_ROUNDS = 3


def fetch_outputs(api: KaggleApi, retry: Retry, handle: Handle, into: Path, zips: PackZips) -> Retrieval:
    """Fetch all outputs of a session and its log; see `OutputFetcher`.

    Raises:
        StorageFault: The disk is full or cannot be written.
        BadInput: The results folder cannot be written for another reason.
    """
    try:
        return OutputFetcher(api, retry, handle, into=into, zips=zips).fetch()
    except OSError as fault:
        if (trouble := storage_trouble(fault)) is not None:
            raise storage_fault(trouble, str(storage_path(fault) or into), free_text(into)) from fault
        raise BadInput(
            f"{into} cannot be written: {fault.strerror or fault}",
            remedy="Free disk space or change the folder's permissions, then run the same command again.",
        ) from fault


class OutputFetcher:
    """Fetches the outputs of one session.

    A file that cannot be fetched is reported and does not stop the others.

    Args:
        into: The results folder. Files in it are reused if they agree with the manifest, else replaced.
        zips: Those of shared kernels, common to the fetches of their sessions.
    """

    def __init__(self, api: KaggleApi, retry: Retry, handle: Handle, *, into: Path, zips: PackZips) -> None:
        self._api = api
        self._zips = zips
        self._members = 1
        self._retry = retry
        self._owner, self._slug, self._member = handle.owner, handle.slug, handle.member
        self._into = into
        self._partial = into.with_name(f".fetching-{into.name}")
        self._incomplete = into.with_name(f".begun-{into.name}")
        self._lines: list[str] = []
        self._files = FileFetcher(api, retry, into=self._partial, before=into)

    def fetch(self) -> Retrieval:
        """Fetch what can be fetched. Repeatable; continues an interrupted fetch.

        Returns:
            The results folder, and which files are missing and why.

        Raises:
            ServiceFault: Kaggle did not answer the listing, or no download at all.
            OSError: Nothing can be written here.
        """
        self._reuse_incomplete()
        self._partial.mkdir(parents=True, exist_ok=True)
        (self._partial / MANIFEST_NAME).unlink(missing_ok=True)  # of an earlier, interrupted fetch
        listing = self._list()
        self._fetch_zip(listing)
        missing = self._one_round(listing)  # what the zip has brought is not fetched again
        for _ in range(_ROUNDS - 1):
            if not any(one.lack in (Lack.DAMAGED, Lack.WITHHELD) for one in missing.values()):
                break
            try:
                listing = self._list()  # addresses expire; a new listing has new ones
            except ServiceFault:
                break  # what came with the first one counts
            missing = self._one_round(listing)
        self._files.require_any_answer()
        missing = self._with_earlier_manifest(listing, missing)
        if (log := self._write_log(listing)) is not None:
            missing[LOG_NAME] = log
        self._put_in_place({*listing.files, *self._expected(listing).entries} - set(missing), set(missing))
        files = tuple(missing[path] for path in sorted(missing))
        return Retrieval(
            folder=self._into,
            missing=tuple(map(str, files)),
            files=files,
            steps_saved=newest_saved(self._lines),
            silent=not self._lines,
        )

    def _list(self) -> Listing:
        listing = list_outputs(self._api, self._owner, self._slug)
        if self._member is None:
            return listing
        self._members = len({path.partition("/")[0] for path in listing.files if "/" in path})
        return listing.below(member_folder(self._member))

    def _fetch_zip(self, listing: Listing) -> None:
        """Fetch everything in one request, unless an earlier fetch has left most of it here.

        The manifest comes first: it has the size that the zip may have.
        """
        absent = [path for path in listing.files if not (_exists(self._into / path) or _exists(self._partial / path))]
        session_id = session_id_in(list(own_lines(lines_of_log(listing.log), self._member)))
        if len(absent) >= FEWEST_FILES and session_id is not None:
            self._manifest(listing)
            manifest, _ = manifest_in(self._partial)
            promised = expected_by_manifest(manifest).entries if manifest else {}
            wanted = set(listing.files) - ({MANIFEST_NAME} if manifest else set())
            if self._member is None:
                taken = fetch_zip(self._api, session_id, wanted, promised, self._partial)
            else:
                taken = self._zips.fetch(session_id, self._member, self._members, wanted, promised, self._partial)
            self._files.take(taken)

    def _one_round(self, listing: Listing) -> dict[str, MissingFile]:
        """Fetch every file that is not here yet; first manifest and cards, since they describe the others."""
        missing: dict[str, MissingFile] = {}
        manifest, _ = manifest_in(self._partial)
        if manifest is None and (lack := self._manifest(listing)) is not None:
            missing[MANIFEST_NAME] = lack
        for cards in (True, False):
            expected = self._expected(listing)
            wanted = {*listing.files, *expected.entries} - {MANIFEST_NAME, LOG_NAME}
            for path in sorted(path for path in wanted if is_card(path) is cards):
                lack = self._files.get(listing, path, expected.entries.get(path))
                if lack is not None:
                    missing[path] = lack
        for path, fault in self._expected(listing).unreadable.items():
            self._files.forget(path)
            missing[path] = MissingFile(path=path, lack=Lack.DAMAGED, reason=f"is not a complete card: {fault}")
        for path in listing.refused:
            # The ledger records the name, and half a surrogate pair cannot be encoded.
            named = path.encode("utf-8", "backslashreplace").decode("utf-8")
            missing[named] = MissingFile(
                path=named, lack=Lack.UNWRITABLE, reason="is not a valid file name on this computer: refused"
            )
        return missing

    def _manifest(self, listing: Listing) -> MissingFile | None:
        if MANIFEST_NAME not in listing.files:
            return MissingFile(path=MANIFEST_NAME, lack=Lack.UNLISTED, reason="is not among the outputs")
        self._files.forget(MANIFEST_NAME)
        return self._files.get(listing, MANIFEST_NAME, None, lambda: manifest_in(self._partial)[1])

    def _expected(self, listing: Listing) -> ExpectedFiles:
        manifest, _ = manifest_in(self._partial)
        return expected_by_manifest(manifest) if manifest else expected_by_cards(self._partial, listing.files)

    def _with_earlier_manifest(self, listing: Listing, missing: dict[str, MissingFile]) -> dict[str, MissingFile]:
        """What is still missing with the manifest of an earlier fetch, if this one did not get a valid one."""
        earlier, _ = manifest_in(self._into)
        if MANIFEST_NAME not in missing or earlier is None:
            return missing
        shutil.copyfile(self._into / MANIFEST_NAME, self._partial / MANIFEST_NAME)
        return self._one_round(listing)

    def _write_log(self, listing: Listing) -> MissingFile | None:
        lines = lines_of_log(listing.log)
        if not lines:
            try:
                lines = list(assemble(self._retry(self._whole_log)))
            except ServiceFault as fault:
                if (self._into / LOG_NAME).is_file():
                    shutil.copyfile(self._into / LOG_NAME, self._partial / LOG_NAME)
                lack = Lack.UNANSWERED if fault.transient else Lack.WITHHELD
                return MissingFile(path=LOG_NAME, lack=lack, reason=f"could not be fetched: {fault}")
        self._lines = list(own_lines(lines, self._member))
        text = "".join(f"{line}\n" for line in self._lines)
        (self._partial / LOG_NAME).write_bytes(text.encode("utf-8", "replace"))
        return None

    def _whole_log(self) -> list[Mapping[str, Any]]:
        return list(self._api.log_events(self._owner, self._slug))

    def _put_in_place(self, kept: set[str], missing: set[str]) -> None:
        """Replace the results folder; the beginnings of missing files are kept aside for the next fetch to continue."""
        begun = {partial_of(self._partial / path) for path in missing}
        names = {name.casefold() for name in {*kept, LOG_NAME, MANIFEST_NAME}}  # the disk may ignore the case
        for path in list(self._partial.rglob("*")):
            name = path.relative_to(self._partial).as_posix()
            if not path.is_file() or name.casefold() in names:
                continue
            if path in begun:
                (self._incomplete / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, self._incomplete / name)
            else:
                path.unlink()  # of an earlier, interrupted fetch
        sync_tree(self._partial)
        replace_folder(self._partial, self._into)
        self._reuse_incomplete()

    def _reuse_incomplete(self) -> None:
        if self._incomplete.is_dir():
            if self._partial.exists():
                shutil.rmtree(self._incomplete)
            else:
                os.replace(self._incomplete, self._partial)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # the name is impossible here
