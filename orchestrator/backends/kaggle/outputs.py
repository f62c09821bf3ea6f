"""All outputs of an ended session: every page listed, every file checked, the folder replaced as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_templates.kernel_runtime.manifest import read_manifest
from kernel_templates.kernel_runtime.wire import MANIFEST_NAME, FileEntry
from orchestrator.backends.kaggle.dialect import OutputFile
from orchestrator.backends.kaggle.faults import ServiceFault
from orchestrator.backends.kaggle.gateway import Gateway
from orchestrator.backends.kaggle.log_text import assemble, lines_of_log
from orchestrator.backends.kaggle.retrying import Retrying
from orchestrator.backends.kaggle.transfer import agrees, confined, download
from orchestrator.core.exchange import Retrieval

LOG_NAME = "kernel.log"
_ROUNDS = 3
_EXPIRED = frozenset({400, 401, 403, 404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A session's outputs as the service lists them now."""

    files: Mapping[str, OutputFile]
    refused: tuple[str, ...]
    log: str


class OutputFetcher:
    """Fetches the outputs of one session.

    Args:
        into: The results folder. What it holds already is used if it agrees with the manifest, else replaced.
    """

    def __init__(self, gateway: Gateway, retry: Retrying, *, owner: str, slug: str, into: Path) -> None:
        self._gateway = gateway
        self._retry = retry
        self._owner, self._slug = owner, slug
        self._into = into
        self._partial = into.with_name(f".fetching-{into.name}")

    def fetch(self) -> Retrieval:
        """Bring everything. Repeatable; a fetch that was cut off goes on where it was.

        Returns:
            Where it lies and what did not come, one sentence each.

        Raises:
            ServiceFault: The service is away.
        """
        self._partial.mkdir(parents=True, exist_ok=True)
        (self._partial / MANIFEST_NAME).unlink(missing_ok=True)  # of an earlier, cut-off fetch
        listing = self._listing()
        missing = []
        if MANIFEST_NAME not in listing.files or not self._bring(listing, MANIFEST_NAME, None):
            missing.append(f"{MANIFEST_NAME} is not among the outputs")
        promised = self._promises()
        wanted = set(listing.files) - {MANIFEST_NAME, LOG_NAME}
        for _ in range(_ROUNDS):
            wanted = {path for path in sorted(wanted) if not self._bring(listing, path, promised.get(path))}
            if not wanted:
                break
            listing = self._listing()  # addresses expire; a fresh listing has fresh ones
            wanted &= set(listing.files)
        missing += [f"{path} did not come as the manifest describes it" for path in sorted(wanted)]
        missing += [f"{path} is not listed" for path in sorted(set(promised) - set(listing.files) - {LOG_NAME})]
        missing += [f"{path!r} lies outside its folder and was refused" for path in listing.refused]
        if not self._write_log(listing):
            missing.append("the log")
        self._sweep(set(listing.files) | {LOG_NAME})
        if self._into.exists():
            shutil.rmtree(self._into)
        os.replace(self._partial, self._into)
        return Retrieval(folder=self._into, missing=tuple(missing))

    def _listing(self) -> Listing:
        files: dict[str, OutputFile] = {}
        refused: list[str] = []
        log, token = "", ""
        while True:
            page = self._gateway.output_page(self._owner, self._slug, token)
            log = log or page.log
            for file in page.files:
                if confined(file.path):
                    files[file.path] = file
                else:
                    refused.append(file.path)
            if not page.next_token or page.next_token == token:
                return Listing(files=files, refused=tuple(refused), log=log)
            token = page.next_token

    def _promises(self) -> dict[str, FileEntry]:
        try:
            manifest = read_manifest(self._partial)
        except ValueError:
            return {}  # it is judged, and its damage reported, from the results folder
        return {entry.path: entry for entry in manifest.files} if manifest else {}

    def _bring(self, listing: Listing, path: str, promised: FileEntry | None) -> bool:
        destination = self._partial / path
        if promised is not None:
            if agrees(destination, promised):
                return True
            if agrees(self._into / path, promised):
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._into / path, destination)
                return True
        url = listing.files[path].url
        try:
            return self._retry(lambda: download(self._gateway, url, destination, promised))
        except ServiceFault as fault:
            if fault.status in _EXPIRED:
                return False
            raise

    def _write_log(self, listing: Listing) -> bool:
        lines = lines_of_log(listing.log)
        if not lines:
            try:
                lines = list(assemble(self._retry(self._whole_log)))
            except ServiceFault as fault:
                if fault.transient:
                    raise
                return False
        text = "".join(f"{line}\n" for line in lines)
        (self._partial / LOG_NAME).write_bytes(text.encode("utf-8", "replace"))
        return True

    def _whole_log(self) -> list[Mapping[str, Any]]:
        return list(self._gateway.log_events(self._owner, self._slug))

    def _sweep(self, kept: set[str]) -> None:
        """Remove what an earlier, cut-off fetch left and this session does not list."""
        for path in list(self._partial.rglob("*")):
            if path.is_file() and path.relative_to(self._partial).as_posix() not in kept:
                path.unlink()
