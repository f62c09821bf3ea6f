"""Every call that we make to Kaggle, in plain forms: nobody else here speaks the SDK's types."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import requests

from orchestrator.backends.kaggle.client.connection import Connection
from orchestrator.backends.kaggle.client.errors import ServiceFault, UnknownWord, parsed
from orchestrator.backends.kaggle.client.log_parser import lines_of_log, live_events
from orchestrator.backends.kaggle.client.mapping import (
    KernelRecord,
    OutputFile,
    OutputPage,
    SaveAnswer,
    SaveRequest,
)
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.core.session.backend_types import Quota

Answer = TypeVar("Answer")

STREAM_SILENCE_S = 55.0
"""Longest silence of a live log before we look for ourselves: progress lines come at least every 15 s."""

_OUTPUT_PAGE = 200
_KERNEL_PAGE = 100
"""The official client asks for no more."""
_PIECE_BYTES = 1 << 16


class KaggleApi:
    """Kaggle as one account sees it.

    Args:
        retry: Repeats questions. Acts (save a kernel, make a dataset version) are sent once and never repeated
            here: whether one was carried out must be read back first.
    """

    def __init__(self, connection: Connection, account: str, retry: Retry) -> None:
        self._connection = connection
        self._client = connection.client
        self._retry = retry
        self.account = account

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        """Save a kernel version and run it. Sent once.

        Raises:
            ServiceFault: It failed; `undecided` says whether it may have been carried out all the same.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiSaveKernelRequest

        request: Any = ApiSaveKernelRequest()
        request.slug = f"{wanted.owner}/{wanted.slug}"
        request.new_title = wanted.slug  # any other title makes another slug
        request.text = wanted.source
        request.language = "python"
        request.kernel_type = "script"
        request.is_private = True
        request.enable_gpu = wanted.gpu
        request.enable_tpu = False
        request.enable_internet = wanted.internet
        request.dataset_data_sources = list(wanted.dataset_sources)
        request.kernel_data_sources = list(wanted.kernel_sources)
        request.session_timeout_seconds = wanted.session_timeout_s
        if wanted.gpu and wanted.accelerator:
            request.machine_shape = wanted.accelerator
        if wanted.docker_image:
            request.docker_image = wanted.docker_image
        answer = self._act("push", lambda: self._kernels.save_kernel(request))
        invalid = {
            "dataset": tuple(answer.invalid_dataset_sources or ()),
            "kernel": tuple(answer.invalid_kernel_sources or ()),
        }
        return SaveAnswer(
            ref=answer.ref or "",
            version=answer.version_number or None,
            error=answer.error or "",
            invalid_sources={kind: names for kind, names in invalid.items() if names},
        )

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        """State name and failure message of a kernel's session; an unknown state is returned as it was sent."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        request: Any = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug = owner, slug
        try:
            answer = self._question("state", lambda: self._kernels.get_kernel_session_status(request))
        except UnknownWord as unknown:
            return unknown.word, ""
        return _name(answer.status), answer.failure_message or ""

    def kernel(self, owner: str, slug: str) -> KernelRecord | None:
        """A kernel as it is saved there, None if it is not there or not ours."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        request: Any = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = owner, slug
        try:
            answer = self._question("read back", lambda: self._kernels.get_kernel(request))
        except ServiceFault as fault:
            # The service answers 403 for a private kernel that does not exist, as for one that is not ours.
            if fault.status in (403, 404):
                return None
            raise
        if answer.blob is None or answer.metadata is None:
            raise ServiceFault("read back", status=None, words="an answer without the kernel")
        return KernelRecord(
            source=answer.blob.source or "",
            version=answer.metadata.current_version_number or 0,
            private=bool(answer.metadata.is_private),
            run_at=_aware(answer.metadata.last_run_time),
        )

    def kernel_slugs(self) -> Iterator[str]:
        """Slugs of the account's own kernels, all pages, the latest first.

        Without a search: nobody documents what it matches, and a kernel that it leaves out would be taken for deleted.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelsRequest
        from kagglesdk.kernels.types.kernels_enums import KernelsListSortType, KernelsListViewType

        token, seen = "", set[str]()
        while token not in seen:
            seen.add(token)
            request: Any = ApiListKernelsRequest()
            request.group, request.sort_by = KernelsListViewType.PROFILE, KernelsListSortType.DATE_CREATED
            request.language = request.kernel_type = request.output_type = "all"
            request.page_size = _KERNEL_PAGE
            if token:
                request.page_token = token
            answer = self._question("kernels", lambda: self._kernels.list_kernels(request))  # noqa: B023 asked at once
            for kernel in answer.kernels or ():
                owner, _, slug = kernel.ref.rpartition("/")
                if owner.rpartition("/")[2].lower() == self.account.lower():
                    yield slug
            token = answer.next_page_token or ""
            if not token:
                return
        raise ServiceFault("kernels", status=None, words="a listing whose pages go in a circle")

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        """One page of a session's outputs. Their addresses expire within the hour."""
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        request: Any = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug = owner, slug
        request.page_size = _OUTPUT_PAGE
        if token:
            request.page_token = token
        answer = self._question("outputs", lambda: self._kernels.list_kernel_session_output(request))
        files = tuple(OutputFile(path=file.file_name, url=file.url) for file in answer.files or ())
        return OutputPage(files=files, log=answer.log or "", next_token=answer.next_page_token or "")

    def quotas(self) -> tuple[Quota, ...]:
        """Weekly accelerator quotas. Durations are read as values: the SDK's own printing loses their days."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetAcceleratorQuotaStatisticsRequest

        request: Any = ApiGetAcceleratorQuotaStatisticsRequest()
        answer = self._question("quota", lambda: self._kernels.get_accelerator_quota_statistics(request))
        return tuple(
            Quota(
                resource=resource,
                used_s=_seconds(quota.time_used),
                reserved_s=_seconds(quota.time_reserved),
                allowed_s=_seconds(quota.total_time_allowed),
                refresh_at=_aware(answer.quota_refresh_time),
            )
            for resource, quota in (("GPU", answer.gpu_quota), ("TPU", answer.tpu_quota))
            if quota is not None
        )

    def log_events(self, owner: str, slug: str) -> Iterator[Mapping[str, Any]]:
        """The kernel's log from its beginning: live while it runs, persisted afterwards.

        Ends when the log is complete.

        Raises:
            ServiceFault: The stream broke or was silent too long; a new call replays it from the beginning.
        """
        url = f"{self._connection.endpoint}/kernels/logs/stream/{owner}/{slug}"
        headers = {"Accept": "text/event-stream, */*", "Content-Type": None}
        with self._streaming("log", self._connection.session, url, headers, STREAM_SILENCE_S) as response:
            if response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
                # Bytes are split before they are decoded: text would also be split at characters like U+2028.
                yield from live_events(response.iter_lines(chunk_size=1))
            else:
                for line in lines_of_log(response.content.decode("utf-8", "replace")):
                    yield {"data": line + "\n"}

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """A signed address's bytes from an offset on.

        Yields:
            Whether the service honoured the offset, and the bytes.

        Raises:
            ServiceFault: It failed; an expired address is a 403 and needs a fresh listing.
        """
        # A session of its own: a signed address needs no credentials, and its host must not get ours.
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with requests.Session() as session:
            session.auth = _no_auth
            with self._streaming("download", session, url, headers, STREAM_SILENCE_S) as response:
                yield response.status_code == requests.codes.partial, response.iter_content(_PIECE_BYTES)

    @property
    def _kernels(self) -> Any:
        return self._client.kernels.kernels_api_client

    def _act(self, what: str, call: Callable[[], Answer]) -> Answer:
        return self._connection.ask(what, call)

    def _question(self, what: str, call: Callable[[], Answer]) -> Answer:
        return self._retry(lambda: self._connection.ask(what, lambda: parsed(call)))

    @contextmanager
    def _streaming(
        self, what: str, session: requests.Session, url: str, headers: Mapping[str, str | None], silence_s: float
    ) -> Iterator[requests.Response]:
        try:
            with session.get(url, headers=headers, stream=True, timeout=(15.0, silence_s)) as response:
                if response.status_code >= 400:
                    raise self._connection.fault(what, response, "")
                yield response
        except requests.RequestException as fault:
            raise ServiceFault(what, status=None, words=type(fault).__name__) from None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from taking a password out of ~/.netrc for a signed address."""
    return request


def _name(status: object) -> str:
    return status.name if isinstance(status, enum.Enum) else str(status)


def _aware(moment: datetime | None) -> datetime | None:
    """The service's times are UTC, and the SDK reads them without saying so."""
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


def _seconds(span: timedelta | None) -> float:
    return span.total_seconds() if span else 0.0
