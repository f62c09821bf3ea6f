"""`doctor --first-session`: three short CPU sessions that try on Kaggle what no test here can.

The first saves a small checkpoint. The second mounts it, and a dataset, and is cancelled. The third runs into its time
limit meanwhile. The kernels are deleted at the end; the dataset of some kB stays and is used again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import KernelRecord
from orchestrator.backends.kaggle.diagnosis.cancel_attempt import CancelAttempt
from orchestrator.backends.kaggle.diagnosis.doubts import Doubt, undecided
from orchestrator.backends.kaggle.diagnosis.probe_dataset import ProbeDataset, ProbeFiles
from orchestrator.backends.kaggle.diagnosis.probe_sessions import Durations, ProbeSessions
from orchestrator.backends.kaggle.diagnosis.readings import (
    cancel_check,
    dataset_check,
    image_check,
    kernel_output_check,
    limit_check,
    listing_check,
    log_check,
    machine_check,
    quota_check,
    report_in,
    wheel_check,
)
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import OrchestratorError
from orchestrator.ports import Clock

_SAVES, _MOUNTS, _REACHES_LIMIT = 1, 2, 3


class FirstSession:
    """Runs the sessions and decides every row that can be decided.

    Args:
        progress: Receives a line before each step, and one for each kernel that stayed.
    """

    def __init__(
        self,
        api: KaggleApi,
        sessions: ProbeSessions,
        dataset: ProbeDataset,
        clock: Clock,
        progress: Callable[[str], None],
        durations: Durations,
    ) -> None:
        self._api = api
        self._sessions = sessions
        self._dataset = dataset
        self._clock = clock
        self._progress = progress
        self._times = durations
        self._rows: dict[Doubt, Check] = {}
        self._faults: list[Check] = []
        self.facts: dict[str, Any] = {}

    def run(self) -> list[Check]:
        """Every row, in the order of the list in docs/KAGGLE.md, then faults of the check itself, then what stayed."""
        try:
            self._try("first session", self._steps)
        finally:
            self._progress("Deleting the kernels")
            left = self._sessions.delete_all()
            for check in left:
                if not check.good:  # shown here as well: an interrupted check prints no rows
                    self._progress(f"{check.found}. {check.remedy}")
        return [*(self._rows.get(doubt) or undecided(doubt) for doubt in Doubt), *self._faults, *left]

    def _steps(self) -> None:
        before_s = self._gpu_used_s()
        self._progress("Sending a small dataset")
        files = self._dataset.stage()
        self._progress(f"Two sessions: one saves a checkpoint, one runs into a limit of {self._times.limit_s} s")
        limited: list[str] = []
        self._try("third session", lambda: limited.append(self._push_limited(files)))
        saver = self._save(files)
        self._progress("One more session: mounts the checkpoint, and is cancelled")
        self._try("second session", lambda: self._mount(files, saver))
        if limited:
            self._try("third session", lambda: self._end_limited(limited[0]))
        self._keep(Doubt.QUOTA, quota_check(before_s, self._gpu_used_s()))

    def _push_limited(self, files: ProbeFiles) -> str:
        limit_s = self._times.limit_s
        return self._sessions.push(_REACHES_LIMIT, files, wait_s=10.0 * limit_s, limit_s=limit_s)

    def _end_limited(self, slug: str) -> None:
        seen = self._sessions.watch(slug)
        self._keep(Doubt.TIME_LIMIT, limit_check(seen, self._sessions.outputs(slug) if seen.ended else []))

    def _save(self, files: ProbeFiles) -> KernelRecord | None:
        slug = self._sessions.push(_SAVES, files)
        seen = self._sessions.watch(slug)
        self._keep(Doubt.LOG, log_check(seen, self._times.lines * self._times.pause_s))
        self._keep(Doubt.MACHINE, machine_check(report_in(seen.lines)))
        record = self._api.kernel(self._api.account, slug)
        run_at = None if record is None else record.run_at

        def list_kernels() -> None:
            self._keep(Doubt.LISTING, listing_check(slug, self._api.kernel_slugs(), run_at, self._clock.now()))

        self._try("kernel listing", list_kernels)
        return record

    def _mount(self, files: ProbeFiles, saver: KernelRecord | None) -> None:
        cancel = CancelAttempt(self._api)
        slug = self._sessions.push(_MOUNTS, files, wait_s=self._times.wait_s, source=_SAVES, image_of=saver)
        seen = self._sessions.watch(slug, cancel.on_line)
        report = report_in(seen.lines)
        self.facts = {"machine": dict(report or {})}
        self._keep(Doubt.KERNEL_OUTPUT, kernel_output_check(report, files.checkpoint_sha256))
        self._keep(Doubt.DATASET, dataset_check(report, files))
        self._keep(Doubt.WHEELHOUSE, wheel_check(report, files))
        self._keep(Doubt.IMAGE, image_check(saver, self._api.kernel(self._api.account, slug)))
        outputs = self._sessions.outputs(slug) if seen.ended else []
        self._keep(Doubt.CANCEL, cancel_check(seen, outputs, asked=cancel.asked, refusal=cancel.refusal))

    def _gpu_used_s(self) -> float | None:
        try:
            return next((one.used_s for one in self._api.quotas() if one.resource == "GPU"), None)
        except ServiceFault:
            return None  # its row then says that it could not be read

    def _try(self, name: str, act: Callable[[], None]) -> None:
        """Carry out one part; a failure is a row of its own, and the other parts go on."""
        try:
            act()
        except OrchestratorError as fault:
            self._faults.append(Check(name=name, good=False, found=str(fault), remedy=fault.remedy, remote=True))

    def _keep(self, doubt: Doubt, check: Check | None) -> None:
        if check is not None:
            self._rows[doubt] = check
