"""Kaggle's kernel API in plain values; the SDK's types stay in this file."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from orchestrator.backends.kaggle.client.connection import Connection, request_of
from orchestrator.backends.kaggle.client.errors import ServiceFault, clean
from orchestrator.backends.kaggle.client.mapping import (
    KernelRecord,
    OutputFile,
    OutputPage,
    SaveAnswer,
    SaveRequest,
)
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.client.streams import Streams
from orchestrator.core.session.time_budget import Quota

Answer = TypeVar("Answer")

_OUTPUT_PAGE = 200
_KERNEL_PAGE = 100
"""Largest page that the official client requests."""
_MOST_PAGES = 1000
"""No account has so many pages; such a listing has no end."""


class KaggleApi(Streams):
    """The kernels and quotas of one account.

    Args:
        retry: Repeats queries. A push is sent once and never repeated here: whether it was carried out must be read
            back first.
    """

    def __init__(self, connection: Connection, account: str, retry: Retry) -> None:
        super().__init__(connection)
        self._retry = retry
        self.account = account

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        """Save a kernel version and, unless it is a quick save, run it. Sent once.

        Raises:
            ServiceFault: It failed; `undecided` says whether it may have been carried out nevertheless.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiSaveKernelRequest
        from kagglesdk.kernels.types.kernels_enums import KernelExecutionType

        request = request_of(
            ApiSaveKernelRequest,
            slug=f"{wanted.owner}/{wanted.slug}",
            new_title=wanted.slug,  # any other title makes another slug
            text=wanted.source,
            language="python",
            kernel_type="script",
            is_private=True,
            enable_gpu=wanted.gpu,
            enable_tpu=False,
            enable_internet=wanted.internet,
            dataset_data_sources=list(wanted.dataset_sources),
            kernel_data_sources=list(wanted.kernel_sources),
            session_timeout_seconds=wanted.session_timeout_s,
            machine_shape=wanted.machine_shape or None,
            docker_image=wanted.docker_image or None,
            **({"kernel_execution_type": KernelExecutionType.QUICK_SAVE} if wanted.quick_save else {}),
        )
        answer = self._connection.ask("push", lambda: self._kernels.save_kernel(request))
        invalid = {
            "dataset": tuple(map(str, answer.invalid_dataset_sources or ())),
            "kernel": tuple(map(str, answer.invalid_kernel_sources or ())),
        }
        return SaveAnswer(
            ref=answer.ref or "",
            version=answer.version_number or None,
            error=answer.error or "",
            invalid_sources={kind: names for kind, names in invalid.items() if names},
        )

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        """State and failure message of a kernel's session; a state that the SDK does not know is returned as sent."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        request = request_of(ApiGetKernelSessionStatusRequest, user_name=owner, kernel_slug=slug)

        def call() -> Any:
            try:
                return self._kernels.get_kernel_session_status(request)
            except KeyError as unknown:  # raised by the SDK's enum parser
                return str(unknown.args[0])

        answer = self._query("state", call)
        if isinstance(answer, str):
            return answer, ""
        status = answer.status.name if isinstance(answer.status, enum.Enum) else str(answer.status)
        return status, answer.failure_message or ""

    def kernel(self, owner: str, slug: str) -> KernelRecord | None:
        """A saved kernel, None if it does not exist or is not ours."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        request = request_of(ApiGetKernelRequest, user_name=owner, kernel_slug=slug)
        try:
            answer = self._query("read back", lambda: self._kernels.get_kernel(request))
        except ServiceFault as fault:
            # The service answers 403 both for a private kernel that does not exist and for one that is not ours.
            if fault.status in (403, 404):
                return None
            raise
        if answer.blob is None or answer.metadata is None:
            raise ServiceFault("read back", status=None, message="the answer holds no kernel")
        return KernelRecord(
            source=answer.blob.source or "",
            version=answer.metadata.current_version_number or 0,
            private=bool(answer.metadata.is_private),
            run_at=_aware(answer.metadata.last_run_time),
            gpu=bool(answer.metadata.enable_gpu),
            docker_image=answer.metadata.docker_image or "",
            machine_shape=answer.metadata.machine_shape or "",
        )

    def kernel_slugs(self) -> Iterator[str]:
        """Slugs of the account's own kernels, all pages, the latest first.

        The API's search is not used: what it matches is not documented, and a kernel that it leaves out would be taken
        for deleted.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelsRequest
        from kagglesdk.kernels.types.kernels_enums import KernelsListSortType, KernelsListViewType

        token, seen = "", set[str]()
        while token not in seen and len(seen) < _MOST_PAGES:
            seen.add(token)
            request = request_of(
                ApiListKernelsRequest,
                group=KernelsListViewType.PROFILE,
                sort_by=KernelsListSortType.DATE_CREATED,
                **dict.fromkeys(("language", "kernel_type", "output_type"), "all"),
                page_size=_KERNEL_PAGE,
                page_token=token or None,
            )
            answer = self._query("kernels", lambda: self._kernels.list_kernels(request))  # noqa: B023 called at once
            for kernel in answer.kernels or ():
                owner, _, slug = str(kernel.ref).rpartition("/")
                if owner.rpartition("/")[2].lower() == self.account.lower():
                    yield slug
            token = answer.next_page_token or ""
            if not token:
                return
        raise ServiceFault("kernels", status=None, message="the pages of the listing repeat")

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        """One page of a session's outputs. Their addresses expire within an hour."""
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        request = request_of(
            ApiListKernelSessionOutputRequest,
            user_name=owner,
            kernel_slug=slug,
            page_size=_OUTPUT_PAGE,
            page_token=token or None,
        )
        answer = self._query("outputs", lambda: self._kernels.list_kernel_session_output(request))
        # The SDK hands on values of any type; one odd entry must not hide the others.
        files = tuple(OutputFile(path=str(file.file_name), url=str(file.url)) for file in answer.files or ())
        log = answer.log if isinstance(answer.log, str) else ""
        return OutputPage(files=files, log=log, next_token=str(answer.next_page_token or ""))

    def quotas(self) -> tuple[Quota, ...]:
        """Weekly accelerator quotas. Durations are read as values because the SDK's printed form loses their days."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetAcceleratorQuotaStatisticsRequest

        request = ApiGetAcceleratorQuotaStatisticsRequest()
        answer = self._query("quota", lambda: self._kernels.get_accelerator_quota_statistics(request))
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

    def cancel_session(self, session_id: int) -> str:
        """Ask for the end of a session; returns Kaggle's refusal, empty if it accepted.

        The number names exactly one session, so the request may be repeated after a lost answer.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiCancelKernelSessionRequest

        request = request_of(ApiCancelKernelSessionRequest, kernel_session_id=session_id)
        answer = self._query("cancel", lambda: self._kernels.cancel_kernel_session(request))
        return clean(answer.error_message or "")

    def delete_kernel(self, owner: str, slug: str) -> None:
        """Delete a kernel with its outputs; one that does not exist counts as deleted.

        Each of our slugs is one session's, so the request may be repeated after a lost answer.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiDeleteKernelRequest

        request = request_of(ApiDeleteKernelRequest, user_name=owner, kernel_slug=slug)
        try:
            self._query("delete", lambda: self._kernels.delete_kernel(request))
        except ServiceFault as fault:
            if fault.status != 404:
                raise

    def _query(self, what: str, call: Callable[[], Answer]) -> Answer:
        return self._retry(lambda: self._connection.ask(what, call))


def _aware(moment: datetime | None) -> datetime | None:
    """The service's times are UTC, but the SDK reads them without a time zone."""
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


def _seconds(span: timedelta | None) -> float:
    return span.total_seconds() if span else 0.0
