"""Datasets and blobs: uploads by token, versions in processing, listings. Archives are unpacked, as on Kaggle."""

from __future__ import annotations

import io
import secrets
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiStartBlobUploadResponse
from kagglesdk.datasets.types import dataset_api_service as api
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus

from tests.emulator.settings import Settings
from tests.emulator.wire import Refused


@dataclass
class Blob:
    """One upload."""

    name: str
    size_bytes: int
    content: bytes = b""


@dataclass
class Dataset:
    """One dataset: a folder for each version."""

    versions: list[Path] = field(default_factory=list)
    looks_left: int = 0


@dataclass
class Datasets:
    """Every dataset and every blob."""

    root: Path
    base: str
    settings: Settings
    all: dict[str, Dataset] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start_upload(self, request: Any, account: str) -> ApiStartBlobUploadResponse:
        """Return the address for the upload of a file."""
        token = secrets.token_hex(12)
        self.blobs[token] = Blob(name=request.name, size_bytes=request.content_length)
        answer = ApiStartBlobUploadResponse()
        answer.token, answer.create_url = token, f"{self.base}/upload/{token}"
        return answer

    def receive(self, token: str, content: bytes) -> int:
        """Store an uploaded file; returns the HTTP status."""
        blob = self.blobs.get(token)
        if blob is None:
            return 404
        if len(content) != blob.size_bytes:
            return 400
        blob.content = content
        return 200

    def create(self, request: Any, account: str) -> api.ApiCreateDatasetResponse:
        """Create a dataset with its first version."""
        ref = f"{request.owner_slug}/{request.slug}"
        if request.owner_slug != account:
            raise Refused(403, "Permission 'datasets.create' was denied")
        if not request.license_name or len(request.title) < 6 or len(request.slug) > 50:
            raise Refused(400, "A dataset needs a title and exactly one licence")
        answer = api.ApiCreateDatasetResponse()
        if ref in self.all:
            answer.error = "The requested title is already in use by a dataset."
            return answer
        self.all[ref] = Dataset()
        return self._add(ref, request.files)

    def add_version(self, request: Any, account: str) -> api.ApiCreateDatasetResponse:
        """Add a new version."""
        ref = f"{request.owner_slug}/{request.dataset_slug}"
        self._own(ref, account)
        if self.processing(ref):
            raise Refused(403, "The dataset is being processed")
        return self._add(ref, request.body.files)

    def status(self, request: Any, account: str) -> api.ApiGetDatasetStatusResponse:
        """State of the newest version."""
        dataset = self._own(f"{request.owner_slug}/{request.dataset_slug}", account)
        answer = api.ApiGetDatasetStatusResponse()
        answer.status = DatabundleVersionStatus.READY
        if dataset.looks_left > 0:
            dataset.looks_left -= 1
            answer.status = DatabundleVersionStatus.BLOBS_RECEIVED
        return answer

    def files(self, request: Any, account: str) -> api.ApiListDatasetFilesResponse:
        """One page of the current version's files; a version in processing is not listed yet."""
        ref = f"{request.owner_slug}/{request.dataset_slug}"
        self._own(ref, account)
        folder = self.current(ref)
        paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
        start = int(request.page_token or 0)
        size = min(request.page_size or 20, self.settings.page_limit)
        answer = api.ApiListDatasetFilesResponse()
        for path in paths[start : start + size]:
            file = api.ApiDatasetFile()
            file.name, file.total_bytes = path.relative_to(folder).as_posix(), path.stat().st_size
            answer.dataset_files = [*answer.dataset_files, file]
        answer.next_page_token = str(start + size) if start + size < len(paths) else ""
        return answer

    def processing(self, ref: str) -> bool:
        """Whether the newest version is not READY."""
        return ref in self.all and self.all[ref].looks_left > 0

    def current(self, ref: str) -> Path | None:
        """Folder of the newest READY version."""
        dataset = self.all.get(ref)
        if dataset is None:
            return None
        ready = dataset.versions[:-1] if dataset.looks_left > 0 else dataset.versions
        return ready[-1] if ready else None

    def mounted(self, ref: str) -> Path | None:
        """Folder that would be mounted into a kernel started now."""
        dataset = self.all.get(ref)
        if dataset is None or not dataset.versions:
            return None
        lags = self.settings.mount_lag and len(dataset.versions) > 1
        return dataset.versions[-2] if lags else dataset.versions[-1]

    def _own(self, ref: str, account: str) -> Dataset:
        if ref not in self.all or not ref.startswith(f"{account}/"):
            # The service gives the same answer for a missing dataset and for another account's private one.
            raise Refused(403, "Permission 'datasets.get' was denied")
        return self.all[ref]

    def _add(self, ref: str, files: Any) -> api.ApiCreateDatasetResponse:
        with self._lock:
            dataset = self.all[ref]
            folder = self.root / "datasets" / ref / str(len(dataset.versions) + 1)
            folder.mkdir(parents=True)
            for file in files:
                self._place(self.blobs[file.token], folder)
            dataset.versions.append(folder)
            dataset.looks_left = self.settings.processing_looks
        answer = api.ApiCreateDatasetResponse()
        answer.ref, answer.status = ref, "ok"
        return answer

    def _place(self, blob: Blob, folder: Path) -> None:
        if self.settings.extract_archives and blob.name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
                archive.extractall(folder / blob.name.removesuffix(".zip"))
            return
        (folder / blob.name).write_bytes(blob.content)
