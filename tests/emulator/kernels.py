"""Kernels: save, run, status, listing. The server side of `kernels.KernelsApiService`."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kagglesdk.kernels.types import kernels_api_service as api
from kagglesdk.kernels.types.kernels_enums import (
    KernelExecutionType,
    KernelsListSortType,
    KernelsListViewType,
    KernelWorkerStatus,
)

from tests.emulator.datasets import Datasets
from tests.emulator.log import persisted
from tests.emulator.machine import Machine, namespace_command, save_outputs
from tests.emulator.sessions import Sessions
from tests.emulator.settings import FIRST_IMAGE, Settings
from tests.emulator.signed import SignedAddresses
from tests.emulator.wire import Refused

FIRST_SESSION, FIRST_KERNEL = 280_000_001, 90_000_001
"""Numbers of sessions and kernels come from different sequences."""
NEVER_RUN = "No runs found for this kernel"
DEFAULT_GPU = "NvidiaTeslaT4"
REPLACED_SHAPES = {"NvidiaTeslaP100": DEFAULT_GPU, "TpuV38": "TpuV5E8", "Tpu1VmV38": "TpuV5E8"}
"""Retired machines, and what the service starts instead without saying so."""


@dataclass
class Kernel:
    """One kernel, with its last version's session.

    Attributes:
        image: Docker image of that session.
        ran: False for a kernel that was only quick-saved: it has no session.
    """

    owner: str
    slug: str
    request: Any
    folder: Path
    version: int
    machine: Machine
    run_at: datetime
    image: str = FIRST_IMAGE
    ran: bool = True
    session_id: int = 0
    id_no: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    cancel_looks: int = 0
    hidden_looks: int = 0
    queued_looks: int = 0
    saving_looks: int = 0

    @property
    def outputs(self) -> Path:
        """Folder of the session's saved outputs."""
        return self.folder / "outputs"


@dataclass
class Kernels:
    """Every kernel of every account."""

    root: Path
    settings: Settings
    datasets: Datasets
    signed: SignedAddresses
    all: dict[tuple[str, str], Kernel] = field(default_factory=dict)
    runs: int = 0
    sessions: Sessions = field(init=False)
    refresh: timedelta = timedelta(days=3)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.all, self.settings)

    def save(self, request: Any, account: str) -> api.ApiSaveKernelResponse:
        """Save a version and run it; some refusals are an `error` in a successful answer, as on Kaggle."""
        owner, _, slug = request.slug.partition("/")
        self._require_sane(request, account, owner, slug)
        answer = api.ApiSaveKernelResponse()
        answer.error = self._refusal(request)
        if answer.error:
            return answer
        with self._lock:
            before = self.all.get((owner, slug))
            version = before.version + 1 if before else 1
            invalid_kernels = [ref for ref in request.kernel_data_sources if self._source(ref) is None]
            invalid_datasets = [ref for ref in request.dataset_data_sources if self.datasets.current(ref) is None]
            if request.kernel_execution_type is KernelExecutionType.QUICK_SAVE:
                self._quick_save(owner, slug, request, version)
            else:
                self.all[owner, slug] = self._run(owner, slug, request, version)
                self.runs += 1
        answer.ref, answer.version_number = f"/code/{owner}/{slug}", version
        answer.url = f"https://www.kaggle.com/code/{owner}/{slug}"
        answer.invalid_kernel_sources, answer.invalid_dataset_sources = invalid_kernels, invalid_datasets
        return answer

    def get(self, request: Any, account: str) -> api.ApiGetKernelResponse:
        """A kernel as it was saved."""
        kernel = self._seen(request, account, "Kernel not found")
        answer = api.ApiGetKernelResponse()
        answer.metadata, answer.blob = self._metadata(kernel), api.ApiKernelBlob()
        answer.blob.source, answer.blob.language = kernel.request.text, kernel.request.language
        answer.blob.kernel_type, answer.blob.slug = kernel.request.kernel_type, kernel.slug
        return answer

    def list(self, request: Any, account: str) -> api.ApiListKernelsResponse:
        """One page of own and public kernels; a search finds titles with any of its words."""
        seen = [kernel for kernel in self.all.values() if self._is_listed(kernel, request, account)]
        if request.sort_by is KernelsListSortType.DATE_CREATED:
            seen.sort(key=lambda kernel: kernel.run_at, reverse=True)
        mine = seen[self.settings.listing_lag :]
        start = int(request.page_token or 0)
        size = min(request.page_size or 20, 100)
        answer = api.ApiListKernelsResponse()
        answer.kernels = [self._metadata(kernel) for kernel in mine[start : start + size]]
        answer.next_page_token = str(start + size) if start + size < len(mine) else ""
        return answer

    def _is_listed(self, kernel: Kernel, request: Any, account: str) -> bool:
        mine = kernel.owner == account
        if not mine and (kernel.request.is_private or request.group is KernelsListViewType.PROFILE):
            return False
        wanted = set(re.findall(r"[a-z0-9]+", request.search.lower()))
        return not wanted or bool(wanted & set(re.findall(r"[a-z0-9]+", kernel.slug)))

    def status(self, request: Any, account: str) -> api.ApiGetKernelSessionStatusResponse:
        """State of the last session."""
        kernel = self._with_session(request, account)
        answer = api.ApiGetKernelSessionStatusResponse()
        answer.status = self._state(kernel)
        if answer.status is KernelWorkerStatus.ERROR and kernel.machine.timed_out:
            answer.failure_message = "Your notebook was stopped because it exceeded the max allowed execution duration."
        return answer

    def outputs(self, request: Any, account: str) -> api.ApiListKernelSessionOutputResponse:
        """One page of outputs with signed addresses, and the log."""
        kernel = self._with_session(request, account)
        ended = kernel.ended.is_set()
        paths = self.sessions.shown(kernel) if ended else []
        start = int(request.page_token or 0)
        size = min(request.page_size or 20, self.settings.page_limit)
        answer = api.ApiListKernelSessionOutputResponse()
        for path in paths[start : start + size]:
            file = api.ApiKernelSessionOutputFile()
            file.file_name, file.url = path.relative_to(kernel.outputs).as_posix(), self.signed.give(path)
            answer.files = [*answer.files, file]
        answer.next_page_token = str(start + size) if start + size < len(paths) else ""
        answer.log = persisted(kernel.machine.events) if ended else ""
        return answer

    def quota(self, request: Any, account: str) -> api.ApiGetAcceleratorQuotaStatisticsResponse:
        """The week's accelerator time."""
        quota = api.ApiAcceleratorQuota()
        quota.time_used, quota.time_reserved = self.settings.gpu_used, timedelta(0)
        quota.total_time_allowed = self.settings.weekly_gpu
        answer = api.ApiGetAcceleratorQuotaStatisticsResponse()
        answer.quota_refresh_time = (self.settings.now() + self.refresh).replace(tzinfo=None)
        answer.gpu_quota = quota
        return answer

    def delete(self, request: Any, account: str) -> api.ApiDeleteKernelResponse:
        """Remove a kernel and end its session."""
        kernel = self._seen(request, account, "Kernel not found")
        kernel.machine.kill()
        del self.all[kernel.owner, kernel.slug]
        return api.ApiDeleteKernelResponse()

    def find(self, owner: str, slug: str, account: str) -> Kernel | None:
        """A kernel of this account, None while it is still hidden."""
        kernel = self.all.get((owner, slug))
        if kernel is None or kernel.owner != account:
            return None
        if kernel.hidden_looks > 0:
            kernel.hidden_looks -= 1
            return None
        return kernel

    def close(self) -> None:
        """End every session."""
        for kernel in self.all.values():
            kernel.machine.kill()
        for kernel in self.all.values():
            kernel.ended.wait(timeout=10)

    def _seen(self, request: Any, account: str, words: str) -> Kernel:
        kernel = self.find(request.user_name, request.kernel_slug, account)
        if kernel is None:
            raise Refused(404, words)
        return kernel

    def _with_session(self, request: Any, account: str) -> Kernel:
        kernel = self._seen(request, account, NEVER_RUN)
        if not kernel.ran:
            raise Refused(404, NEVER_RUN)
        return kernel

    def _require_sane(self, request: Any, account: str, owner: str, slug: str) -> None:
        if owner != account:
            raise Refused(403, "Permission 'kernels.update' was denied")
        if len(request.text.encode("utf-8")) > self.settings.max_source_bytes:
            raise Refused(400, "")
        title = re.sub(r"[^a-z0-9]+", "-", request.new_title.lower()).strip("-")
        if len(request.new_title) < 5 or len(slug) > 50 or title != slug:
            raise Refused(409, "The requested title does not resolve to the specified id")
        if request.language != "python" or request.kernel_type != "script":
            raise Refused(400, "Only Python scripts are run here")
        for ref in request.dataset_data_sources:
            if self.datasets.processing(ref):
                raise Refused(409, f"Dataset {ref} is still being processed")

    def _refusal(self, request: Any) -> str:
        """Why a push is refused, in the service's own words; empty if it is accepted."""
        if request.docker_image and request.docker_image not in self.settings.images:
            return f"Docker image {request.docker_image} does not exist."
        if request.kernel_execution_type is KernelExecutionType.QUICK_SAVE:
            return ""
        gpu = bool(request.enable_gpu)
        of_kind = [kernel for kernel in self.all.values() if bool(kernel.request.enable_gpu) is gpu]
        kind, most = ("GPU", self.settings.gpu_sessions) if gpu else ("CPU", self.settings.cpu_sessions)
        if sum(not kernel.ended.is_set() for kernel in of_kind) >= most:
            return f"Maximum batch {kind} session count of {most} reached."
        if request.enable_gpu and self.settings.gpu_used >= self.settings.weekly_gpu:
            hours = self.settings.weekly_gpu.total_seconds() / 3600
            return f"Maximum weekly GPU quota of {hours:.2f} hours reached."
        return ""

    def _source(self, ref: str) -> Kernel | None:
        owner, _, slug = ref.partition("/")
        return self.all.get((owner, slug))

    def _quick_save(self, owner: str, slug: str, request: Any, version: int) -> None:
        """Save a version without a session; an earlier version's session stays."""
        kernel = self.all.get((owner, slug))
        if kernel is None:
            kernel = self.all[owner, slug] = self._kernel(owner, slug, request, version)
            kernel.ran, kernel.session_id = False, 0
            kernel.ended.set()
        kernel.request, kernel.version = request, version
        kernel.image = request.docker_image or self.settings.image

    def _run(self, owner: str, slug: str, request: Any, version: int) -> Kernel:
        kernel = self._kernel(owner, slug, request, version)
        kernel.queued_looks, kernel.saving_looks = self.settings.queued_looks, self.settings.saving_looks
        self._mount(kernel)
        kernel.machine.run(lambda: self._end(kernel))
        return kernel

    def _kernel(self, owner: str, slug: str, request: Any, version: int) -> Kernel:
        folder = self.root / "kernels" / owner / slug / str(version)
        override = self.settings.override
        if override is None:
            if namespace_command() is None:
                raise RuntimeError("no mount namespace here: choose an override")
            override = ""
        session_id = FIRST_SESSION + self.runs
        timeout_s = (request.session_timeout_seconds or 43_200) * self.settings.limit_scale
        image = request.docker_image or self.settings.image
        machine = Machine(
            folder=folder,
            source=request.text,
            override=override,
            timeout_s=timeout_s,
            last_line=self.settings.limits_met_at.get(request.session_timeout_seconds),
            interpreter=self.settings.images[image],
            container=self.settings.container_name and self.settings.container_name.format(session_id=session_id),
        )
        return Kernel(
            owner=owner,
            slug=slug,
            request=request,
            folder=folder,
            version=version,
            machine=machine,
            run_at=self.settings.now(),
            image=image,
            session_id=session_id,
            id_no=FIRST_KERNEL + len(self.all),
            cancel_looks=self.settings.cancel_looks,
            hidden_looks=self.settings.hidden_looks,
        )

    def _mount(self, kernel: Kernel) -> None:
        new = self.settings.new_mounts
        for ref in kernel.request.kernel_data_sources:
            source = self._source(ref)
            if (
                source is not None
                and source.outputs.is_dir()
                and (source.owner, source.slug) != (kernel.owner, kernel.slug)
            ):
                place = Path("notebooks") / source.owner / source.slug if new else Path(source.slug)
                copy_tree(source.outputs, kernel.machine.input / place)
        for ref in kernel.request.dataset_data_sources:
            files = self.datasets.mounted(ref)
            owner, _, slug = ref.partition("/")
            place = Path("datasets") / owner / slug if new else Path(slug)
            if files is not None:
                copy_tree(files, kernel.machine.input / place)

    def _end(self, kernel: Kernel) -> None:
        if not kernel.machine.timed_out or self.settings.keep_outputs_of_killed:
            save_outputs(kernel.machine.working, kernel.outputs, self.settings.outputs_kept)
        kernel.ended.set()

    def _state(self, kernel: Kernel) -> KernelWorkerStatus:
        if kernel.queued_looks > 0:
            kernel.queued_looks -= 1
            return KernelWorkerStatus.QUEUED
        if kernel.cancelled and (not kernel.ended.is_set() or kernel.cancel_looks > 0):
            kernel.cancel_looks -= kernel.ended.is_set()
            return KernelWorkerStatus.CANCEL_REQUESTED
        if not kernel.ended.is_set():
            return KernelWorkerStatus.RUNNING
        if kernel.saving_looks > 0:
            kernel.saving_looks -= 1
            return KernelWorkerStatus.RUNNING
        if self.settings.stuck:
            return KernelWorkerStatus[self.settings.stuck]
        if kernel.cancelled:
            return KernelWorkerStatus.CANCEL_ACKNOWLEDGED
        return KernelWorkerStatus.COMPLETE if kernel.machine.exit_code == 0 else KernelWorkerStatus.ERROR

    def _metadata(self, kernel: Kernel) -> api.ApiKernelMetadata:
        made = api.ApiKernelMetadata()
        made.id = kernel.id_no
        made.ref, made.title, made.slug = f"{kernel.owner}/{kernel.slug}", kernel.request.new_title, kernel.slug
        made.author, made.current_version_number = kernel.owner, kernel.version
        made.is_private, made.enable_gpu = kernel.request.is_private, kernel.request.enable_gpu
        shape = kernel.request.machine_shape or (DEFAULT_GPU if kernel.request.enable_gpu else "")
        made.machine_shape, made.docker_image = REPLACED_SHAPES.get(shape, shape), kernel.image
        if kernel.ran:
            made.last_run_time = kernel.run_at.astimezone(UTC).replace(tzinfo=None)
        return made


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder's files."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
