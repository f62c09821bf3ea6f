"""Pushes, watches and deletes the probe's sessions: CPU sessions without internet, which spend no quota."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.mapping import KernelRecord, SaveRequest
from orchestrator.backends.kaggle.diagnosis import probe
from orchestrator.backends.kaggle.diagnosis.leftovers import delete_kernel
from orchestrator.backends.kaggle.diagnosis.probe_dataset import DATASET, ProbeFiles
from orchestrator.backends.kaggle.diagnosis.watching import Watched, Watcher
from orchestrator.backends.kaggle.session.listing import list_outputs
from orchestrator.backends.kaggle.session.push_errors import refusal
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.ports import Clock

_ROOT = "/kaggle"
_TIME_LIMIT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Times of the sessions, seconds.

    Attributes:
        pause_s: Between two of the `lines` of a log.
        wait_s: How long a session waits for its cancel.
        limit_s: Time limit of the session that runs into it.
        patience_s: Longest wait for the end of a session, its time before the start included.
        visible_s: How long a saved kernel may stay invisible.
    """

    lines: int = 6
    pause_s: float = 1.0
    wait_s: float = 60.0
    limit_s: int = 60
    patience_s: float = 900.0
    visible_s: float = 90.0


class ProbeSessions:
    """The sessions of one check.

    Args:
        token: Random hex text; makes their names unique.
    """

    def __init__(self, api: KaggleApi, clock: Clock, token: str, durations: Durations) -> None:
        self._api = api
        self._clock = clock
        self._token = token
        self._times = durations
        self._made: list[str] = []

    def slug(self, number: int) -> str:
        """Name of one session."""
        return f"orchestrator-first-session-{self._token[:8]}-s{number:02d}"

    def push(
        self,
        number: int,
        files: ProbeFiles,
        *,
        wait_s: float = 0.0,
        limit_s: int = _TIME_LIMIT_S,
        source: int | None = None,
        image_of: KernelRecord | None = None,
    ) -> str:
        """Start a session.

        Args:
            wait_s: How long it waits after its report.
            source: Number of the session whose outputs it mounts.
            image_of: Kernel whose image and machine it asks for.

        Raises:
            OrchestratorError: It was refused, or the answer was lost.
        """
        owner, slug = self._api.account, self.slug(number)
        script = probe_script(self._times, wait_s, [files.checkpoint_sha256, *files.dataset])
        wanted = SaveRequest(
            owner=owner,
            slug=slug,
            source=script,
            gpu=False,
            machine_shape=(image_of.machine_shape or None) if image_of else None,
            internet=False,
            session_timeout_s=limit_s,
            docker_image=(image_of.docker_image or None) if image_of else None,
            dataset_sources=(f"{owner}/{DATASET}",) if files.ready else (),
            kernel_sources=(f"{owner}/{self.slug(source)}",) if source else (),
        )
        self._made.append(slug)
        problem = refusal(self._api.save_kernel(wanted), slug, None)
        if problem is not None:
            raise problem
        return slug

    def watch(self, slug: str, on_line: Callable[[str], None] = lambda line: None) -> Watched:
        """Wait for the end of a session; see `Watcher.watch`."""
        return Watcher(self._api, self._clock, self._times.patience_s).watch(slug, on_line)

    def outputs(self, slug: str) -> list[str]:
        """Names of the saved outputs of an ended session."""
        return sorted(list_outputs(self._api, self._api.account, slug).files)

    def delete_all(self) -> list[Check]:
        """Delete every kernel that was pushed, the latest first; a running session ends with it."""
        owner, visible_s = self._api.account, self._times.visible_s
        return [
            delete_kernel(self._api, self._clock, owner, slug, name="deleted", visible_s=visible_s)
            for slug in reversed(self._made)
        ]


def probe_script(durations: Durations, wait_s: float, expected: list[str]) -> str:
    """The complete program of one session."""
    lines, pause_s = durations.lines, durations.pause_s
    call = f"run(root={_ROOT!r}, lines={lines}, pause_s={pause_s}, wait_s={wait_s}, expected={sorted(expected)!r})"
    return f"{inspect.getsource(probe)}\n\n{call}\n"
