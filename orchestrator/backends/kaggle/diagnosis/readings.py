"""Decides the rows of the report from what was seen. Pure. None where it was not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.backends.kaggle.client.mapping import KernelRecord
from orchestrator.backends.kaggle.diagnosis.doubts import Doubt
from orchestrator.backends.kaggle.diagnosis.probe import CHECKPOINT, DONE, REPORT, WAITING
from orchestrator.backends.kaggle.diagnosis.probe_dataset import WHEEL, ProbeFiles
from orchestrator.backends.kaggle.diagnosis.watching import Watched
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import COUNT, NUMBER, TEXT, TEXTS, fields, mapping, require

_CPUS, _MEMORY_GB = 4, 28.0
"""What the plans of packed sessions assume of a machine: 4 logical CPUs, about 31 GB."""
_REPORT_IT = "Please report this line."
_REPORT_SHAPE = fields(
    {"found": mapping(TEXT), "mounts": TEXTS, "cpus": COUNT, "memory_gb": NUMBER, "python": TEXT}, others=True
)
_LATEST = timedelta(minutes=30)


def report_in(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """The probe's own report in its log; None if it is not there or not whole."""
    for line in lines:
        word, _, text = line.partition(" ")
        if word == REPORT:
            try:
                found = read_json(text, REPORT)
                require(_REPORT_SHAPE, found, REPORT)
            except Unreadable:
                return None
            return dict(found)
    return None


def log_check(seen: Watched, spread_s: float) -> Check | None:
    """Whether the log arrived line by line, and ended by itself.

    Args:
        spread_s: Seconds that the session took to write its lines.
    """
    if len(seen.arrivals_s) < 2:
        return None
    took_s = seen.arrivals_s[-1] - seen.arrivals_s[0]
    by_line = took_s >= spread_s / 2
    found = f"{len(seen.arrivals_s)} lines while it ran, over {took_s:.1f} s; "
    found += "the stream ended by itself" if seen.stream_ended else "the stream did not end by itself"
    return _row(Doubt.LOG, by_line and seen.stream_ended, found, "The end of a session is still seen by its state.")


def kernel_output_check(report: Mapping[str, Any] | None, sha256: str) -> Check | None:
    """Whether the second session found the file of the first by its digest."""
    if report is None:
        return None
    path = report["found"].get(sha256)
    found = f"mounted as /kaggle/input/{path}, equal bytes" if path else f"not found; mounted: {_mounts(report)}"
    return _row(Doubt.KERNEL_OUTPUT, bool(path), found, "Checkpoints then travel in a dataset: nothing is lost.")


def dataset_check(report: Mapping[str, Any] | None, files: ProbeFiles) -> Check | None:
    """Whether a dataset lists names and sizes as sent, and mounts the checkpoint unchanged."""
    if not files.listed or (report is None and files.ready):
        return None
    name = next(name for name in files.sizes if name != WHEEL)
    listed = files.listed.get(name) == files.sizes[name]
    if not files.ready or report is None:
        return _row(Doubt.DATASET, None, f"not ready in time; listed as sent: {'yes' if listed else 'no'}")
    path = report["found"].get(files.digest_of[name])
    found = f"listed {'as sent' if listed else f'as {dict(files.listed)}'}; "
    found += f"mounted as /kaggle/input/{path}" if path else f"not found by its digest; mounted: {_mounts(report)}"
    return _row(Doubt.DATASET, listed and bool(path), found, _REPORT_IT)


def wheel_check(report: Mapping[str, Any] | None, files: ProbeFiles) -> Check | None:
    """Whether a wheel in a dataset stays a file with its bytes."""
    if report is None or not files.ready:
        return None
    path = report["found"].get(files.digest_of[WHEEL])
    found = f"unchanged, as /kaggle/input/{path}" if path else f"changed or unpacked; mounted: {_mounts(report)}"
    return _row(Doubt.WHEELHOUSE, bool(path), found, "Do not use `wheelhouse`: keep `internet: true` in the card.")


def listing_check(slug: str, listed: Iterable[str], run_at: datetime | None, now: datetime) -> Check:
    """Whether the account's listing names a private kernel, and when it ran."""
    shown = slug in set(listed)
    timely = run_at is not None and abs(now - run_at) < _LATEST
    found = f"{'listed' if shown else 'not listed yet'}; lastRunTime {'fits' if timely else f'is {run_at}'}"
    remedy = "`campaign recover` also asks for kernels by their names."
    return _row(Doubt.LISTING, timely if shown else None, found, remedy)


def image_check(first: KernelRecord | None, second: KernelRecord | None) -> Check | None:
    """Whether the second session kept the image that was read back after the first one."""
    if first is None or second is None:
        return None
    if not first.docker_image:
        return _row(Doubt.IMAGE, None, "Kaggle names no image", "An update of its image may lower a resume's grade.")
    kept = second.docker_image == first.docker_image
    found = f"{first.docker_image}, machine {first.machine_shape or 'not named'}; read back and asked for again: "
    return _row(Doubt.IMAGE, kept, found + ("kept" if kept else f"became {second.docker_image}"), _REPORT_IT)


def cancel_check(seen: Watched, outputs: Sequence[str], *, asked: bool, refusal: str) -> Check | None:
    """Whether a cancelled session ends early and keeps its outputs.

    Args:
        asked: Whether the cancel was sent.
        refusal: Kaggle's reason against it, empty if there was none.
    """
    if not asked:
        return None
    if refusal or DONE in seen.lines or not seen.ended:
        found = refusal or ("it ran to its own end" if DONE in seen.lines else f"still {seen.status}")
        return _row(Doubt.CANCEL, False, found, "Stop sessions on the kernel's page: `cancel` may not end them.")
    kept = CHECKPOINT in outputs and WAITING in outputs
    found = f"{seen.status}; outputs {'kept' if kept else f'lost, listed: {list(outputs)}'}"
    return _row(Doubt.CANCEL, kept, found, "A cancel then loses what was trained since the last session.")


def limit_check(seen: Watched, outputs: Sequence[str]) -> Check | None:
    """Whether a session that reaches its time limit keeps its outputs. Nothing depends on it."""
    if not seen.ended or DONE in seen.lines:
        return None
    kept = CHECKPOINT in outputs
    found = f"{seen.status}; outputs {'kept' if kept else 'lost'}"
    return _row(Doubt.TIME_LIMIT, True if kept else None, found, "Nothing depends on it: sessions end before it.")


def quota_check(before_s: float | None, after_s: float | None) -> Check | None:
    """Whether CPU sessions spent GPU quota; seconds used before and after."""
    if before_s is None or after_s is None:
        return None
    spent_s = after_s - before_s
    found = f"{after_s / 3600:.2f} GPU hours used, {spent_s:.0f} s of them during this check; "
    found += "compare the hours with https://www.kaggle.com/settings"
    return _row(Doubt.QUOTA, True if spent_s == 0 else None, found, "Other sessions of the account count as well.")


def machine_check(report: Mapping[str, Any] | None) -> Check | None:
    """Whether the machine is as large as the plans assume."""
    if report is None:
        return None
    cpus, memory_gb = report["cpus"], report["memory_gb"]
    large = cpus >= _CPUS and memory_gb >= _MEMORY_GB
    found = f"{cpus} logical CPUs, {memory_gb} GB, Python {report['python']}"
    remedy = f"The facts say {_CPUS} logical CPUs and about 31 GB; plans of packed sessions are then too optimistic."
    return _row(Doubt.MACHINE, True if large else None, found, remedy)


def _mounts(report: Mapping[str, Any]) -> str:
    return ", ".join(report["mounts"]) or "nothing"


def _row(doubt: Doubt, good: bool | None, found: str, remedy: str = "") -> Check:
    return Check(name=doubt.value, good=good, found=found, remedy="" if good else remedy, remote=True)
