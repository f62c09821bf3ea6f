"""The steps of a session inside the kernel. Every ending that the process survives is written to a manifest."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.environment.children import children_end_with_this_process
from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.processor import ONE_THREAD
from orchestrator.kernel.files.reserve import RESERVE_NAME, Reserve
from orchestrator.kernel.files.storage import is_full
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, LeftEarly, SectionOutcome, SessionRefused
from orchestrator.kernel.session.admission import admit
from orchestrator.kernel.session.container import CONTAINER_VARIABLE, OPENED, id_of_container
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.current import entered
from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.failure_text import absent_module, no_room
from orchestrator.kernel.session.heartbeat import heartbeat
from orchestrator.kernel.session.manifest import read_manifest, write_manifest
from orchestrator.kernel.session.reporting import Reporter, later
from orchestrator.kernel.session.script import ScriptFailed, run_script
from orchestrator.kernel.session.stop_flag import PAUSE_VARIABLE, StopFlag
from orchestrator.kernel.wire import ENDING, EVENTS_NAME, MANIFEST_NAME, Ticket, models_path, report_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Folders, clocks, log and machine of a session; injected for tests.

    Attributes:
        container: Name of its container, None where the platform gives none.
        limit_s: Wall seconds that it may use, None for those in its spec.
        stop_pauses: Whether a request to stop is a pause: a further session follows, unless the user asked for it.
    """

    workspace: Workspace
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    echo: Callable[[str], None]
    machine: Machine = field(default_factory=Machine)
    container: str | None = None
    limit_s: float | None = None
    stop_pauses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """Result of a session: the outcome, the text of a failure, the findings of the preflight."""

    outcome: SectionOutcome
    error: str | None = None
    preflight: Mapping[str, Any]


def main(
    ticket_json: Mapping[str, Any],
    bundle_root: Path,
    *,
    scratch: Path,
    extra_inputs: tuple[Path, ...] = (),
    folder: str = "",
    limit_s: float | None = None,
) -> int:
    """Run the session of a rendered script; the script's last call.

    Args:
        ticket_json: The ticket as embedded in the script.
        bundle_root: Folder of the unpacked code, already on `sys.path`.
        extra_inputs: Folders of checkpoints that the script contained; searched before the input mount, and
            need not exist.
        folder: Folder of one session of a pack below the kernel's output; empty for a session alone.
        limit_s: Wall seconds that the session may use, None for those in its spec.

    Returns:
        Exit code of the kernel.
    """
    if ticket_json["spec"].get("one_thread"):
        os.environ.update(ONE_THREAD)  # before any library reads it
    children_end_with_this_process()
    surroundings = Surroundings(
        workspace=Workspace.from_environment(scratch=scratch, carried=extra_inputs, folder=folder),
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        echo=echo,
        container=os.environ.get(CONTAINER_VARIABLE),
        limit_s=limit_s,
        stop_pauses=PAUSE_VARIABLE in os.environ,
    )
    stop = StopFlag()
    stop.listen()
    return run_session(Ticket.from_json(ticket_json), bundle_root, surroundings=surroundings, stop=stop)


def run_session(ticket: Ticket, bundle_root: Path, *, surroundings: Surroundings, stop: StopFlag) -> int:
    """Admit the session, call the section, and write the manifest in every case.

    Returns:
        Exit code of the kernel.

    Raises:
        SessionRefused: The output folder already holds results. Nothing is written then, since a new manifest would
            present old results as new.
    """
    working = surroundings.workspace.working
    if (working / MANIFEST_NAME).exists() or (working / ticket.section_dir).exists():
        raise SessionRefused(f"{working} already holds results of another session")
    reserve = Reserve(working / RESERVE_NAME)
    try:
        return _run_with_reserve(ticket, bundle_root, surroundings, stop, reserve)
    except OSError as fault:
        if not is_full(fault):
            raise
        if (written := read_manifest(working)) is not None:
            return written.exit_code  # the manifest is in place; only the flush of its folder failed
        # Not even the manifest can be written: report by the log and the exit code.
        surroundings.echo(report_line(ENDING, end_reason=KernelEnding.DISK_FULL))
        surroundings.echo(no_room(working, fault))
        return EXIT_CODES[KernelEnding.DISK_FULL]
    finally:
        reserve.release()


def _run_with_reserve(
    ticket: Ticket, bundle_root: Path, surroundings: Surroundings, stop: StopFlag, reserve: Reserve
) -> int:
    working = surroundings.workspace.working
    now, monotonic = surroundings.now, surroundings.monotonic
    started_at, started_s = now(), monotonic()
    limit_s = ticket.spec.get("deadline_s") if surroundings.limit_s is None else surroundings.limit_s
    deadline = SoftDeadline(limit_s, monotonic=monotonic, started_s=started_s)
    ends_at = later(started_at, limit_s)
    reporter = Reporter(
        working / EVENTS_NAME,
        echo=surroundings.echo,
        now=now,
        monotonic=monotonic,
        deadline_at=ends_at,
        target_steps=ticket.spec.get("target_steps"),
    )
    context = _context(ticket, surroundings, deadline, stop, reporter)
    with heartbeat(reporter):
        result = _run_section(context, bundle_root, surroundings, reserve)
    outcome = result.outcome
    if surroundings.stop_pauses and outcome.ending is KernelEnding.STOPPED:
        outcome = replace(outcome, ending=KernelEnding.PAUSED)
    reserve.release()  # not an output; the manifest may need its space
    reporter.event(ENDING, end_reason=outcome.ending, steps_done=outcome.steps_done)
    reporter.close()
    write_manifest(
        working,
        ticket=ticket,
        outcome=outcome,
        error=result.error,
        started_at=started_at.isoformat(),
        ended_at=surroundings.now().isoformat(),
        timings_s={"wall": deadline.elapsed_s, **deadline.totals_s},
        preflight=result.preflight,
    )
    return EXIT_CODES[outcome.ending]


def _context(
    ticket: Ticket, surroundings: Surroundings, deadline: SoftDeadline, stop: StopFlag, reporter: Reporter
) -> SessionContext:
    models_dir = models_path(surroundings.workspace.working, ticket.section_dir)
    return SessionContext(
        ticket=ticket,
        models_dir=models_dir,
        metrics_dir=models_dir.parent / "metrics",
        figures_dir=models_dir.parent.parent / "figures",
        deadline=deadline,
        stop=stop,
        reporter=reporter,
        now=surroundings.now,
        monotonic=surroundings.monotonic,
        shared_dir=surroundings.workspace.shared,
    )


def _run_section(context: SessionContext, bundle_root: Path, surroundings: Surroundings, reserve: Reserve) -> _Result:
    """Run the section if the session may start; turn every exception into an ending with its text."""
    ticket, reporter = context.ticket, context.reporter
    preflight: Mapping[str, Any] = {}
    try:
        if surroundings.container is not None:  # first of all: without this line the session cannot be cancelled
            reporter.event(OPENED, session_id=id_of_container(surroundings.container))
        reserve.hold()
        findings = admit(context, bundle_root, workspace=surroundings.workspace, machine=surroundings.machine)
        preflight = findings.to_json()
        if findings.refusal:
            raise findings.refusal
        # From here on Python may write byte code beside the sources; their digest is already verified.
        reporter.started(**ticket.stamp(), python=sys.version.split()[0])
        if (script := ticket.spec.get("script")) is not None:
            outcome = run_script(context, bundle_root, script)
        else:
            outcome = _call_entry_point(context, str(ticket.spec["entry_point"]))
        return _Result(outcome=outcome, preflight=preflight)
    except SessionRefused as refusal:
        reporter.say(f"Session refused: {refusal.account}")
        return _Result(outcome=SectionOutcome(ending=refusal.ending), error=refusal.account, preflight=preflight)
    except BaseException as fault:  # SystemExit included: the manifest must record every failure of a section
        error = f"{fault}\n" if isinstance(fault, ScriptFailed | LeftEarly) else traceback.format_exc()
        ending = KernelEnding.SECTION_FAILED
        if is_full(fault):
            reserve.release()
            ending = KernelEnding.DISK_FULL
            error += no_room(surroundings.workspace.working, fault)
        elif isinstance(fault, ModuleNotFoundError):
            error += absent_module(fault, bundle_root)
        reporter.say(error)
        failed = _with_steps(SectionOutcome(ending=ending), context)
        return _Result(outcome=failed, error=error, preflight=preflight)


def _call_entry_point(context: SessionContext, name: str) -> SectionOutcome:
    entry_point = importlib.import_module(name)
    with entered(context) as section:
        outcome = entry_point.run(context)
    if not isinstance(outcome, SectionOutcome):
        raise TypeError(f"{name}.run returned {type(outcome).__name__}")
    section.require_end(outcome)
    return outcome


def _with_steps(outcome: SectionOutcome, context: SessionContext) -> SectionOutcome:
    """Add the steps of the newest verified checkpoint, which a failed section did not report."""
    spec = context.ticket.spec
    if spec.get("scenario") is None:
        return outcome
    latest = survey_checkpoints(context.models_dir, str(spec["scenario"])).latest
    if latest is None and spec.get("target_steps") is None:
        return outcome  # perhaps a section without steps
    return replace(outcome, steps_done=latest.steps if latest else 0)


def echo(line: str) -> None:
    """Write a line to the log, also one with characters that the image's locale cannot encode."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as fault:
        if not is_full(fault):
            raise  # on a full disk the event file still gets the line, or raises itself
