"""Look, tell, wait, look again, until the session has ended. A look that fails is not a session that failed."""

from __future__ import annotations

from collections.abc import Sequence

from kernel_templates.kernel_runtime.wire import parse_report
from orchestrator.core.cadence import pause_s
from orchestrator.core.checkpoint_log import TAG
from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
from orchestrator.core.exchange import Handle, Observation
from orchestrator.pipeline.parts import Parts

PATIENCE_S = 1800.0
"""Seconds of nothing but failed looks before the watch gives up; the session itself goes on."""


def watch(parts: Parts, handle: Handle) -> Observation:
    """Wait for the end of a session, telling its progress.

    Raises:
        RemoteUnavailable: The backend could not be asked for half an hour. The session goes on, and the same
            command finds it again.
    """
    cursor, looks_since_change = 0, 0
    last_answer_s = parts.clock.monotonic()
    try:
        while True:
            try:
                # The state before the log: when it says ended, the log read after it is whole.
                observation = parts.backend.observe(handle)
                lines, fresh_cursor = parts.backend.log_lines(handle, cursor)
            except OrchestratorError as fault:
                if not fault.transient:
                    raise
                if parts.clock.monotonic() - last_answer_s > PATIENCE_S:
                    raise RemoteUnavailable(
                        f"{handle} could not be asked for {PATIENCE_S / 60:.0f} minutes: {fault}",
                        remedy="The session goes on; run the same command again later to find it.",
                    ) from fault
                looks_since_change += 1
            else:
                last_answer_s = parts.clock.monotonic()
                looks_since_change = 0 if fresh_cursor > cursor else looks_since_change + 1
                cursor = fresh_cursor
                _tell(parts, lines)
                if observation.state.terminal:
                    return observation
            parts.clock.sleep(pause_s(looks_since_change, parts.backend.capabilities.look_every_s))
    finally:
        parts.narrator.quiet()


def _tell(parts: Parts, lines: Sequence[str]) -> None:
    for line in lines:
        report = parse_report(line)
        if report is None:
            if line.startswith(TAG):
                parts.narrator.say(line)
        elif report["kind"] == "progress":
            parts.narrator.progress(report)
        elif report["kind"] == "phase":
            parts.narrator.say(str(report.get("text", "")))
