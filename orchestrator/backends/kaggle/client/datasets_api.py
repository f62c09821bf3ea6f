"""Kaggle's dataset and blob API in plain values: how a file gets to Kaggle without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import requests

from orchestrator.backends.kaggle.client.connection import Connection, bounded, no_auth, request_of
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry

Answer = TypeVar("Answer")

_LICENSE = "unknown"
"""A dataset needs exactly one licence (Kaggle's dataset metadata lists the names); this one grants nothing."""


_MOST_PAGES = 1000


class DatasetsApi:
    """The datasets of one account."""

    def __init__(self, connection: Connection, account: str, retry: Retry) -> None:
        self._connection = connection
        self._client = connection.client
        self._retry = retry
        self.account = account

    def listing(self, slug: str) -> dict[str, int] | None:
        """File name -> size in bytes in the current version; None if there is no such dataset.

        Raises:
            ServiceFault: Kaggle did not answer, or its pages have no end.
        """
        found: dict[str, int] = {}
        token, seen = "", set[str]()
        while token not in seen and len(seen) < _MOST_PAGES:
            seen.add(token)
            try:
                page = self._page(slug, token)
            except ServiceFault as fault:
                if fault.status in (403, 404):  # 403: a private name that does not exist
                    return None
                raise
            found |= {str(file.name): file.total_bytes for file in page.dataset_files or ()}
            token = page.next_page_token or ""
            if not token:
                return found
        raise ServiceFault("dataset files", status=None, message="the pages of the listing repeat")

    def status(self, slug: str) -> str:
        """State of the newest version, `READY` when it is complete."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

        request = request_of(ApiGetDatasetStatusRequest, owner_slug=self.account, dataset_slug=slug)

        def call() -> Any:
            try:
                return self._datasets.get_dataset_status(request)
            except KeyError as unknown:  # raised by the SDK's enum parser: not READY, so the caller waits
                return str(unknown.args[0])

        answer = self._query("dataset state", call)
        return answer if isinstance(answer, str) else str(getattr(answer.status, "name", answer.status))

    def upload(self, path: Path, name: str) -> str:
        """Send one file; returns the token by which a dataset version refers to it.

        This may be repeated: a file sent twice only leaves an unused blob.
        """
        from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

        stat = path.stat()
        request = request_of(
            ApiStartBlobUploadRequest,
            type=ApiBlobType.DATASET,
            name=name,
            content_length=stat.st_size,
            last_modified_epoch_seconds=int(stat.st_mtime),
        )

        def send() -> str:
            blobs = self._client.blobs.blob_api_client
            started = self._connection.ask("upload", lambda: blobs.start_blob_upload(request))
            self._put(started.create_url, path)
            return str(started.token)

        return self._retry(send)

    def create(self, slug: str, title: str, tokens: Sequence[str]) -> None:
        """Create a private dataset. Sent once."""
        from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

        request = request_of(
            ApiCreateDatasetRequest,
            owner_slug=self.account,
            slug=slug,
            title=title,
            license_name=_LICENSE,
            is_private=True,
            files=[_new_file(token) for token in tokens],
        )
        self._accepted(self._connection.ask("new dataset", lambda: self._datasets.create_dataset(request)))

    def add_version(self, slug: str, note: str, tokens: Sequence[str]) -> None:
        """Create a new version that holds exactly these files. Sent once."""
        from kagglesdk.datasets.types.dataset_api_service import (
            ApiCreateDatasetVersionRequest,
            ApiCreateDatasetVersionRequestBody,
        )

        body = request_of(
            ApiCreateDatasetVersionRequestBody,
            version_notes=note,
            delete_old_versions=False,
            files=[_new_file(token) for token in tokens],
        )
        request = request_of(ApiCreateDatasetVersionRequest, owner_slug=self.account, dataset_slug=slug, body=body)
        self._accepted(self._connection.ask("dataset version", lambda: self._datasets.create_dataset_version(request)))

    def _page(self, slug: str, token: str) -> Any:
        from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

        request = request_of(
            ApiListDatasetFilesRequest,
            owner_slug=self.account,
            dataset_slug=slug,
            page_size=200,
            page_token=token or None,
        )
        return self._query("dataset files", lambda: self._datasets.list_dataset_files(request))

    @property
    def _datasets(self) -> Any:
        return self._client.datasets.dataset_api_client

    def _query(self, what: str, call: Callable[[], Answer]) -> Answer:
        return self._retry(lambda: self._connection.ask(what, call))

    def _put(self, url: str, path: Path) -> None:
        """Send a file's bytes to its signed upload address."""
        with path.open("rb") as stream, bounded(requests.Session()) as session:
            session.auth = no_auth
            try:
                # An empty stream would be sent chunked, which storage services need not accept.
                answer = session.put(url, data=stream if path.stat().st_size else b"")
            except requests.RequestException as fault:
                raise ServiceFault("upload", status=None, message=type(fault).__name__) from None
            if answer.status_code not in (200, 201):
                raise self._connection.fault("upload", answer, "")

    def _accepted(self, answer: Any) -> None:
        """Raise if the service refused: it then answers 200 with a message in `error`."""
        if answer.error:
            raise ServiceFault("dataset", status=400, message=str(answer.error))


def _new_file(token: str) -> Any:
    from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile

    return request_of(ApiDatasetNewFile, token=token)
