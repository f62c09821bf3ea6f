"""Settings of the emulator: limits, delays and variants of its behaviour, chosen by tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

FIRST_IMAGE = "gcr.io/kaggle-images/python@sha256:" + "a1" * 32


@dataclass
class Settings:
    """Settings; all of them can be changed while the emulator runs.

    Attributes:
        override: Variable that gives kernels another root; None for the literal /kaggle in a mount namespace.
        hidden_looks: Number of requests about a new kernel that are answered with 404.
        queued_looks: Number of status requests that a kernel answers with QUEUED, although its process runs.
        saving_looks: Number of status requests after a kernel's end that it answers with RUNNING.
        container_name: Name of a kernel's container, with its session id; None for a kernel without the variable.
        cancel_grace_s: Seconds between SIGTERM and SIGKILL in a cancelled session; 0 for SIGKILL at once.
        cancel_looks: Number of status requests after the end of a cancelled session that are answered with
            CANCEL_REQUESTED; meanwhile the listing of its outputs grows.
        ignores_cancel: Whether a cancel is accepted and has no effect.
        offers_zip: Whether the outputs can be fetched as one zip; if not, the request is refused.
        zip_redirects: Whether the zip of the outputs is a redirect to a signed address.
        stuck: Final state of every kernel, by the service's name; empty for the true state.
        page_limit: Largest number of outputs per page, for any request.
        outputs_kept: Largest number of saved outputs of a session.
        keep_outputs_of_killed: Whether the outputs of a session that reached its time limit are saved.
        processing_looks: Number of status requests before a new dataset version is READY.
        mount_lag: Whether kernels still mount the previous version although the newest is READY.
        extract_archives: Whether `.zip` files in datasets are unpacked.
        images: Docker image -> interpreter of its kernels; any other image is refused.
        image: The present image: for every push that names none.
        new_mounts: /kaggle/input/{notebooks,datasets}/owner/slug instead of /kaggle/input/slug.
        listing_lag: Number of newest kernels that are missing in the listing.
        gpu_sessions: Largest number of simultaneous batch GPU sessions.
        cpu_sessions: Largest number of simultaneous batch CPU sessions.
        weekly_gpu: GPU time per week; `gpu_used` of it is spent.
        limit_scale: Real seconds per second of a session's time limit.
        limits_met_at: Time limit in seconds -> log line at which a session with this limit meets it, without a wait.
        stream_events: Number of events after which a live log stream breaks; None for never.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    images: dict[str, str] = field(default_factory=lambda: {FIRST_IMAGE: sys.executable})
    image: str = FIRST_IMAGE
    override: str | None = None
    hidden_looks: int = 0
    queued_looks: int = 0
    saving_looks: int = 0
    container_name: str | None = "kaggle_t0k-en-{session_id}-webtier"
    cancel_grace_s: float = 0.0
    cancel_looks: int = 0
    ignores_cancel: bool = False
    offers_zip: bool = True
    zip_redirects: bool = False
    stuck: str = ""
    page_limit: int = 500
    outputs_kept: int = 500
    keep_outputs_of_killed: bool = True
    processing_looks: int = 0
    mount_lag: bool = False
    extract_archives: bool = True
    new_mounts: bool = True
    listing_lag: int = 0
    gpu_sessions: int = 2
    cpu_sessions: int = 5
    weekly_gpu: timedelta = timedelta(hours=30)
    gpu_used: timedelta = timedelta(0)
    stream_events: int | None = None
    limit_scale: float = 1.0
    limits_met_at: dict[int, str] = field(default_factory=dict)
    max_source_bytes: int = 1 << 20
    in_ci: bool = bool(os.environ.get("CI"))
