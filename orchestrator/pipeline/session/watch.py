"""Look, report, wait, look again, until a session has ended. A look that fails is not a session that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.checkpoint.log_messages import TAG
from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.polling import pause_s
from orchestrator.kernel.session.container import opened_id
from orchestrator.kernel.wire import PROGRESS_KINDS, parse_report
from orchestrator.pipeline.context import RunContext

PATIENCE_S = 1800.0
"""Seconds of nothing but failed looks before the watch gives up; the session itself goes on."""

LONGEST_WAIT_S = 900.0
"""Longest pause that a backend may ask for; it is asked again then."""
_SAID_WAIT_S = 60.0


@dataclass(slots=True, kw_only=True)
class _Reading:
    """How far the log was shown, and whether looks still bring something."""

    cursor: int = 0
    note: str = ""
    fruitless_looks: int = 0
    last_answer_s: float
    opened: Callable[[int], None]
    log_trouble: str = ""
    trouble: str = ""


def terminal_end(observation: Observation) -> Observation | None:
    """The end that one look shows by itself."""
    return observation if observation.state.terminal else None


def watch(
    context: RunContext,
    handle: Handle,
    end_of: Callable[[Observation], Observation | None] = terminal_end,
    *,
    unseen: Callable[[OrchestratorError], Observation | None] = lambda fault: None,
    opened: Callable[[int], None] = lambda session_id: None,
    shows_log: bool = True,
) -> Observation:
    """Wait for the end of a session and report its progress.

    Args:
        end_of: The end that a look shows, None where the session goes on.
        unseen: The end of a session whose state cannot be had for this reason, None where nothing proves one.
        opened: Receives the backend's number of the session, if its log shows one.
        shows_log: Whether to follow its log.

    Raises:
        RemoteUnavailable: The backend could not be asked for half an hour. The session goes on, and the same
            command finds it again.
    """
    reading = _Reading(last_answer_s=context.clock.monotonic(), opened=opened)
    native = ""
    try:
        while True:
            shown = reading.cursor
            trouble: OrchestratorError | None = None
            try:
                # The state before the log: when it says ended, the log read after it is whole.
                observation = context.backend.observe(handle)
                reading.last_answer_s = context.clock.monotonic()
                native = _report_state(context, observation, native)
                end = end_of(observation)
                if end is not None and not observation.state.terminal:
                    return end
                if observation.note != reading.note:
                    reading.note = observation.note
                    context.info("backend_note", observation.note)
                if shows_log:
                    _report_log(context, handle, observation, reading)
                if end is not None:
                    return end
            except OrchestratorError as fault:
                if (end := unseen(fault)) is not None:
                    return end
                if not fault.transient:
                    raise
                trouble = fault
            reading.fruitless_looks = 0 if reading.cursor > shown else reading.fruitless_looks + 1
            _require_patience(context, handle, reading, trouble)
            if context.backend.capabilities.streams_log and reading.cursor > shown and trouble is None:
                continue  # the log has just come to its end, so the state is worth a look at once
            pause = pause_s(reading.fruitless_looks, context.backend.capabilities.look_every_s)
            context.clock.sleep(max(pause, _asked_for_s(context, handle, trouble)))
    finally:
        context.narrator.quiet()


def _asked_for_s(context: RunContext, handle: Handle, trouble: OrchestratorError | None) -> float:
    """Seconds that the backend asks to wait, within reason; a wait that a user would wonder about is reported."""
    asked_for_s = min(trouble.wait_s or 0.0, LONGEST_WAIT_S) if trouble else 0.0
    if asked_for_s > _SAID_WAIT_S:
        context.warn("looking_again", f"{handle.slug}: {trouble}; looking again in {in_words(asked_for_s)}")
    return asked_for_s


def in_words(seconds: float) -> str:
    """A pause as text: seconds below a minute and a half, else minutes."""
    return f"{seconds:.0f} s" if seconds < 90.0 else f"{seconds / 60:.0f} min"


def _report_state(context: RunContext, observation: Observation, before: str) -> str:
    """Report what a waiting user cannot see: queued, saving, an unknown state."""
    quiet = observation.state in (SessionState.RUNNING, SessionState.ENDED)
    if observation.native != before and not quiet:
        context.info("state", f"State: {observation.native} ({observation.state})")
    return observation.native


def _report_log(context: RunContext, handle: Handle, observation: Observation, reading: _Reading) -> None:
    """Report what is new in the log; with a live stream this is where the time passes."""
    if observation.state in (SessionState.PENDING, SessionState.ABSENT):
        return
    try:
        while not _report_until_it_breaks(context, handle, reading):
            # A stream that gave lines is opened again at once: to ask for the state as well would
            # double the requests of a session that runs for hours behind an impatient load balancer.
            context.clock.sleep(context.backend.capabilities.look_every_s[0])
    except OrchestratorError as fault:
        if fault.transient and not observation.state.terminal:
            raise
        # The live log is for people: without it the state alone is watched, and the log is fetched at the end.
        if str(fault) != reading.log_trouble:
            context.warn("no_live_log", f"No live log: {fault}")
        reading.log_trouble = str(fault)


def _report_until_it_breaks(context: RunContext, handle: Handle, reading: _Reading) -> bool:
    """Report new lines; False if the stream broke after it had given some.

    Raises:
        OrchestratorError: It broke before it gave any.
    """
    began = reading.cursor
    try:
        for line, cursor in context.backend.follow(handle, began):
            reading.cursor = cursor
            reading.last_answer_s = context.clock.monotonic()
            _report(context, line, reading.opened)
    except OrchestratorError as fault:
        if not fault.transient or reading.cursor == began:
            raise
        return False
    return True


def _require_patience(
    context: RunContext, handle: Handle, reading: _Reading, trouble: OrchestratorError | None
) -> None:
    unanswered_s = context.clock.monotonic() - reading.last_answer_s
    if unanswered_s <= PATIENCE_S:
        text = f"{handle.slug}: {trouble}; asking again for up to {PATIENCE_S / 60:.0f} min"
        if trouble is not None and unanswered_s > _SAID_WAIT_S and text != reading.trouble:
            context.warn("no_answer", text)
            reading.trouble = text
        return
    raise RemoteUnavailable(
        f"{handle} could not be asked for {PATIENCE_S / 60:.0f} minutes: {trouble}",
        remedy="The session goes on; run the same command again later to find it.",
    ) from trouble


def _report(context: RunContext, line: str, opened: Callable[[int], None]) -> None:
    report = parse_report(line)
    if report is None:
        if line.startswith(TAG):
            context.detail("session_log", line)
    elif report["kind"] in PROGRESS_KINDS and "steps" in report:
        context.narrator.progress(report)
    elif report["kind"] == "phase":
        context.info("phase", str(report.get("text", "")))
    elif (session_id := opened_id(report)) is not None:
        opened(session_id)
