"""How this Kaggle is today: limits, delays and moods that tests choose."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class Settings:
    """All of them may be changed while it runs.

    Attributes:
        override: Variable that gives kernels another root; None: literal /kaggle where a mount namespace can be had.
        hidden_looks: Requests about a fresh kernel that are answered 404 before it shows.
        queued_looks: Status looks during which a kernel is still QUEUED (its process runs all the same).
        saving_looks: Status looks between a kernel's end and the word that says so.
        stuck: State that a kernel has for ever after its end, by the service's name; empty for the true one.
        page_limit: Outputs listed per page at most, whatever was asked.
        outputs_kept: Outputs saved of one session.
        keep_outputs_of_killed: Whether a session that met its limit keeps what it wrote.
        processing_looks: Looks at a dataset's state before a new version is READY.
        mount_lag: Whether kernels still mount the version before the newest although that one is READY.
        extract_archives: Whether `.zip` files in datasets are unpacked.
        new_mounts: /kaggle/input/{notebooks,datasets}/owner/slug instead of /kaggle/input/slug.
        listing_lag: So many of the newest kernels are not in the listing yet.
        gpu_sessions: Batch GPU sessions at once.
        weekly_gpu: GPU time per week; `gpu_used` of it is spent.
        limit_scale: Real seconds in a second of a session's time limit.
        stream_events: A live log stream breaks after so many events; None: never.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    interpreter: str = sys.executable
    override: str | None = None
    hidden_looks: int = 0
    queued_looks: int = 0
    saving_looks: int = 0
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
    weekly_gpu: timedelta = timedelta(hours=30)
    gpu_used: timedelta = timedelta(0)
    stream_events: int | None = None
    limit_scale: float = 1.0
    max_source_bytes: int = 1 << 20
    in_ci: bool = bool(os.environ.get("CI"))
