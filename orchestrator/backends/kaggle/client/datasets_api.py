"""Datasets and blobs in plain forms: how a file gets to Kaggle without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import requests

from orchestrator.backends.kaggle.client.connection import Connection, bounded
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry

Answer = TypeVar("Answer")

_LICENSE = "unknown"
"""A dataset needs exactly one licence (Kaggle's dataset metadata lists the names); this one gives nothing away."""


class DatasetsApi:
    """The dataset side of one account."""

    def __init__(self, connection: Connection, account: str, retry: Retry) -> None:
        self._connection = connection
        self._client = connection.client
        self._retry = retry
        self.account = account

    def listing(self, slug: str) -> dict[str, int] | None:
        """Name -> size in bytes of the current version's files; None without such a dataset."""
        found: dict[str, int] = {}
        token = ""
        while True:
            try:
                page = self._page(slug, token)
            except ServiceFault as fault:
                if fault.status in (403, 404):  # 403: a private name that does not exist
                    return None
                raise
            found |= {file.name: file.total_bytes for file in page.dataset_files or ()}
            token = page.next_page_token or ""
            if not token:
                return found

    def status(self, slug: str) -> str:
        """State name of the newest version, `READY` when it is whole."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

        request: Any = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self.account, slug
        try:
            answer = self._question("dataset state", lambda: self._datasets.get_dataset_status(request))
        except KeyError as unknown:  # the SDK's enum parser: a word that is not READY, so it is waited for
            return str(unknown.args[0])
        return str(answer.status.name)

    def upload(self, path: Path, name: str) -> str:
        """Send one file; returns the token under which a dataset version may take it.

        Sending a file twice leaves an unused blob and nothing else, so this may be repeated.
        """
        from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

        stat = path.stat()
        request: Any = ApiStartBlobUploadRequest()
        request.type = ApiBlobType.DATASET
        request.name = name
        request.content_length = stat.st_size
        request.last_modified_epoch_seconds = int(stat.st_mtime)

        def send() -> str:
            blobs = self._client.blobs.blob_api_client
            started = self._connection.ask("upload", lambda: blobs.start_blob_upload(request))
            self._put(started.create_url, path)
            return str(started.token)

        return self._retry(send)

    def create(self, slug: str, title: str, tokens: Sequence[str]) -> None:
        """Make the dataset, private. Sent once."""
        from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

        request: Any = ApiCreateDatasetRequest()
        request.owner_slug, request.slug, request.title = self.account, slug, title
        request.license_name = _LICENSE
        request.is_private = True
        request.files = [_new_file(token) for token in tokens]
        self._accepted(self._connection.ask("new dataset", lambda: self._datasets.create_dataset(request)))

    def add_version(self, slug: str, note: str, tokens: Sequence[str]) -> None:
        """Make a new version that holds exactly these files. Sent once."""
        from kagglesdk.datasets.types.dataset_api_service import (
            ApiCreateDatasetVersionRequest,
            ApiCreateDatasetVersionRequestBody,
        )

        body: Any = ApiCreateDatasetVersionRequestBody()
        body.version_notes = note
        body.delete_old_versions = False
        body.files = [_new_file(token) for token in tokens]
        request: Any = ApiCreateDatasetVersionRequest()
        request.owner_slug, request.dataset_slug, request.body = self.account, slug, body
        self._accepted(self._connection.ask("dataset version", lambda: self._datasets.create_dataset_version(request)))

    def _page(self, slug: str, token: str) -> Any:
        from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

        request: Any = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug = self.account, slug
        request.page_size = 200
        if token:
            request.page_token = token
        return self._question("dataset files", lambda: self._datasets.list_dataset_files(request))

    @property
    def _datasets(self) -> Any:
        return self._client.datasets.dataset_api_client

    def _question(self, what: str, call: Callable[[], Answer]) -> Answer:
        return self._retry(lambda: self._connection.ask(what, call))

    def _put(self, url: str, path: Path) -> None:
        """Send a file's bytes to its upload address, without our credentials."""
        with path.open("rb") as stream, bounded(requests.Session()) as session:
            session.auth = lambda request: request  # nothing out of ~/.netrc either
            try:
                # An empty file would go out chunked, which storage services need not take.
                answer = session.put(url, data=stream if path.stat().st_size else b"")
            except requests.RequestException as fault:
                raise ServiceFault("upload", status=None, words=type(fault).__name__) from None
            if answer.status_code not in (200, 201):
                raise self._connection.fault("upload", answer, "")

    def _accepted(self, answer: Any) -> None:
        """A refused dataset answers 200 with words in `error`."""
        if answer.error:
            raise ServiceFault("dataset", status=400, words=str(answer.error))


def _new_file(token: str) -> Any:
    from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile

    file: Any = ApiDatasetNewFile()
    file.token = token
    return file
