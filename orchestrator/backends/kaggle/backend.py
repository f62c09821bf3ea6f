"""Sessions as private Kaggle kernels, one slug each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.kaggle.client import mapping
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session import cancellation, push_request
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset, dataset_slug
from orchestrator.backends.kaggle.session.deletion import delete_kernel
from orchestrator.backends.kaggle.session.listing import renamed_slug
from orchestrator.backends.kaggle.session.live_log import lines_so_far, log_from, recent_reports
from orchestrator.backends.kaggle.session.output_zip import PackZips
from orchestrator.backends.kaggle.session.outputs import fetch_outputs
from orchestrator.backends.kaggle.session.push_errors import (
    fault_of_push,
    image_refused,
    lost_sources,
    refusal,
    refused_with_message,
)
from orchestrator.backends.kaggle.session.push_request import build_push, keep_machine, machine_of, save_request
from orchestrator.core.errors import NameTaken, NotYet
from orchestrator.core.section.kaggle import CORES, GPUS, KaggleSettings
from orchestrator.core.session.backend_types import (
    Carrier,
    CheckpointSet,
    Handle,
    Look,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
    SessionState,
)
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.pack import member_of, own_lines, own_lines_from, require_whole_kernel, sessions_of
from orchestrator.core.session.script import tickets_in
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.wire import Ticket
from orchestrator.ports import Backend

MAX_SCRIPT_BYTES = 1_000_000
"""Kaggle refuses scripts above about 1 MiB without a reason."""

VISIBILITY_S = 90.0
"""How long a saved kernel may still answer 404; longer delays have not been reported."""

_ABSENT_PATIENCE_S = 1800.0
"""Seconds before a 404 counts as deleted: the service has answered 404 for running kernels as well."""


class KaggleBackend(Backend):
    """Runs sessions as private Kaggle kernels.

    Args:
        api: Kaggle's API; it repeats its queries itself.
        datasets: Sends checkpoints that no earlier kernel holds.
        settings: The card's `kaggle` block.
        retry: Repeats downloads.
    """

    name = "kaggle"

    def __init__(self, api: KaggleApi, datasets: CheckpointDataset, settings: KaggleSettings, retry: Retry) -> None:
        self._api = api
        self._datasets = datasets
        self._settings = settings
        self._retry = retry
        self._zips = PackZips(api)
        self._left_out: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Sessions end at their time limit, or when they are cancelled."""
        settings = self._settings
        return Capabilities(
            owner=self._api.account,
            device=f"Kaggle, {settings.accelerator if settings.gpu else 'CPU'}",
            max_script_bytes=MAX_SCRIPT_BYTES,
            max_wall_s=settings.longest_session_s,
            look_every_s=(10.0, 60.0),
            can_cancel=True,
            cancel_needs_id=True,
            can_delete=True,
            cores=CORES,
            gpus=GPUS if settings.gpu else 0,
            carriers=(Carrier.INLINE, Carrier.KERNEL_OUTPUT, Carrier.DATASET),
            runtime_versions={},
            streams_log=True,
            late_outputs=True,
            absent_patience_s=_ABSENT_PATIENCE_S,
            visibility_s=VISIBILITY_S,
            keeps_images=True,
            session_device=settings.session_device,
        )

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        return build_push(self._api.account, self._settings, ticket, script, checkpoints, slug, carrier)

    def pack(self, pushes: Sequence[Push], script: str, slug: str) -> Push:
        """One request for several sessions. Pure."""
        return push_request.pack(pushes, script, slug)

    def stage(self, push: Push) -> None:
        """Check that the slug is free, and upload what the session needs.

        Raises:
            NameTaken: A kernel of that slug belongs to another session.
            NotYet: A dataset is being processed; call again.
        """
        record = self._api.kernel(push.owner, push.slug)
        if record is not None and push.ticket.nonce not in record.source:
            raise NameTaken(f"kernel {push.owner}/{push.slug} already belongs to another session")
        for one in push.sessions:
            if one.carrier is Carrier.DATASET:
                self._datasets.stage(dataset_slug(one.ticket.lineage_id), one.checkpoints)

    def submit(self, push: Push) -> Handle:
        """Save and run the kernel: one request, never repeated here.

        Raises:
            NotYet: All slots are taken, the weekly quota is spent, or a dataset is being processed.
            OutcomeUnknown: The answer was lost; `find` shows whether the session exists.
            BadInput: Kaggle refused the request; its message is shown.
        """
        try:
            answer = self._api.save_kernel(save_request(push))
        except ServiceFault as fault:
            raise image_refused(fault_of_push(fault), push) from fault
        problem = refusal(answer, push.slug, None)
        if isinstance(problem, NotYet) and problem.wait_s is None:
            problem = refused_with_message(answer.error, self._refresh_at())
        if problem is not None:
            raise image_refused(problem, push)
        if lost := lost_sources(answer):
            # The session exists, and refuses itself within seconds because its checkpoints are missing.
            self._left_out[push.slug] = f"Kaggle accepted the push without these inputs: {', '.join(lost)}"
        # The slug in the answer, in case it differs from the requested one.
        return self._handle(answer.ref.rstrip("/").rpartition("/")[2])

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The kernel of that name, if its source holds this session's nonce."""
        record = self._api.kernel(self._api.account, slug)
        if record is None or ticket.nonce not in record.source:
            return None
        return member_of(self._handle(slug), tickets_in(record.source) or (ticket,), ticket.nonce)

    def find_renamed(self, ticket: Ticket) -> Handle | None:
        """The session of this ticket among the newest kernels of the account, whatever their names."""
        slug = renamed_slug(self._api, ticket.nonce)
        return None if slug is None else self.find(ticket, slug)

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that kernel, read back from its source, whichever computer pushed it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that kernel, read back from its source."""
        record = self._api.kernel(self._api.account, slug)
        if record is None:
            return []
        tickets = tickets_in(record.source)
        return sessions_of(self._handle(slug), tickets, begun_at=record.run_at, machine=machine_of(record))

    def machine(self, handle: Handle) -> Machine | None:
        """The image and machine of a session, read back from its kernel."""
        record = self._api.kernel(handle.owner, handle.slug)
        return None if record is None else machine_of(record)

    def keep_machine(self, push: Push, machine: Machine) -> Push:
        """A push that asks for the image of an earlier session; see `push_request.keep_machine`."""
        return keep_machine(push, machine)

    def names(self, prefix: str) -> Sequence[str]:
        """Kernels of the account with that prefix; new ones may not be listed yet."""
        return [slug for slug in self._api.kernel_slugs() if slug.startswith(prefix)]

    def observe(self, handle: Handle) -> Observation:
        """The state now. A kernel that is not visible does not count as ended."""
        try:
            status, message = self._api.status(handle.owner, handle.slug)
        except ServiceFault as fault:
            if fault.status == 404:
                return Observation(state=SessionState.ABSENT, native=mapping.NEVER_RUN)
            if fault.transient or fault.status == 401:
                raise
            # For example the 403 for a slug that is not visible, and for a token without the right to read: not an end.
            return Observation(state=SessionState.UNKNOWN, native=str(fault))
        return replace(mapping.observation(status, message), note=self._left_out.get(handle.slug, ""))

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """Lines of the log after the first `cursor`, live while the session runs.

        Raises:
            ServiceFault: The stream broke; a new call continues from the last cursor.
        """
        return own_lines_from(log_from(self._api, handle, cursor), handle.member)

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Fetch all outputs and the log."""
        return fetch_outputs(self._api, self._retry, handle, into, self._zips)

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Ask Kaggle to stop the session; what it has written is saved."""
        require_whole_kernel(handle, "stopped")
        cancellation.cancel(self._api, handle, session_id)

    def identify(self, handle: Handle, look: Look | None = None) -> int | None:
        """The session's number, from the first line of its live log."""
        return cancellation.identify(self._api, handle, look)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The reports in its live log, which is left when everything so far has arrived."""
        return recent_reports(self._api, handle)

    def lines_so_far(self, handle: Handle) -> Sequence[str]:
        """The log so far; a running session's stream is left after a short silence."""
        return list(own_lines(lines_so_far(self._api, handle), handle.member))

    def delete(self, handle: Handle) -> None:
        """Delete the kernel."""
        require_whole_kernel(handle, "deleted")
        delete_kernel(self._api, handle)

    def quota(self) -> Quota | None:
        """The GPU quota; None if the card asks for no GPU."""
        if not self._settings.gpu:
            return None
        return next((quota for quota in self._api.quotas() if quota.resource == "GPU"), None)

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner=self._api.account, slug=slug)

    def _refresh_at(self) -> datetime | None:
        try:
            quota = self.quota()
        except ServiceFault:
            return None  # the refusal itself matters more and is reported
        return quota.refresh_at if quota else None
