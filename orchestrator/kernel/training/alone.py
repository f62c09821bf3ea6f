"""A session for a script that runs without a project: folder, lock, signals and ticket."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.atomic import make_folder, write_text
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.heartbeat import heartbeat
from orchestrator.kernel.session.reporting import Reporter, later
from orchestrator.kernel.session.stop_flag import StopFlag, keep_sigterm_at_forks
from orchestrator.kernel.training.folder_lock import FolderLock
from orchestrator.kernel.training.settings import Settings
from orchestrator.kernel.wire import ALONE_RUN, CHECKPOINTS, ENDING, EVENTS_NAME, REPORT_TAG, Ticket, digest_of

ROOT = Path(".orchestrator")
ALONE = ROOT / "alone"
"""Folder of the checkpoints of scripts, below the current folder."""
RESULTS = "outputs"
"""Folder of a script's own results, beside its checkpoints."""


class StopSignals(StopFlag):
    """Turns SIGTERM and Ctrl-C into a flag; a second Ctrl-C interrupts at once.

    Attributes:
        interrupted: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = False
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Install the handlers; only the main thread may, so another thread goes without."""
        keep_sigterm_at_forks()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._on_signal)
            except ValueError:
                return

    def restore(self) -> None:
        """Put the earlier handlers back."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and os.getpid() == self._process:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
        super()._on_signal(number, frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """An opened session: its context, and what must be closed.

    Attributes:
        script: The running script, None in an interactive Python.
    """

    context: SessionContext
    script: Path | None
    signals: StopSignals
    lock: FolderLock
    _on_close: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        """Start the reports that the training is alive."""
        self._on_close.enter_context(heartbeat(self.context.reporter))

    def close(self) -> None:
        """Close the event file, release the folder and put the signal handlers back."""
        self._on_close.close()
        with suppress(OSError):  # a full disk: what was saved matters more
            self.context.reporter.event(ENDING)
        self.signals.restore()
        self.context.reporter.close()
        self.lock.release()


def open_alone(settings: Settings) -> Alone:
    """Open the folder of the script and build a session for it.

    Raises:
        SessionRefused: Another process trains there, the folder cannot be written, or the script's name cannot be the
            name of a checkpoint.
    """
    script = _script()
    name = name_of(script)
    _require_name(name)
    folder = folder_of(script, settings.folder)
    try:
        lock = _claim(folder, own=settings.folder is not None)
        reporter = _reporter(folder, settings)
    except OSError as fault:
        raise SessionRefused(
            f"{folder} cannot be written: {fault.strerror or fault}",
            remedy="Set ORCHESTRATOR_FOLDER to a folder that you may write.",
        ) from fault
    signals = StopSignals()
    signals.listen()
    context = SessionContext(
        ticket=_ticket(settings, folder, name, script),
        models_dir=folder,
        metrics_dir=folder / RESULTS,
        figures_dir=folder / RESULTS,
        deadline=SoftDeadline(settings.deadline_s, monotonic=time.monotonic, started_s=time.monotonic()),
        stop=signals,
        reporter=reporter,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
    )
    return Alone(context=context, script=script, signals=signals, lock=lock)


def _reporter(folder: Path, settings: Settings) -> Reporter:
    ends_at = later(datetime.now(UTC), settings.deadline_s)
    clock = time.monotonic
    return Reporter(
        folder / EVENTS_NAME,
        echo=_echo,
        now=lambda: datetime.now(UTC),
        monotonic=clock,
        deadline_at=ends_at,
        target_steps=settings.target,
    )


def _require_name(name: str) -> None:
    """Refuse a name that another locale would read otherwise: it could not find the checkpoints."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as fault:
        raise SessionRefused(
            f"this Python reads file names as {sys.getfilesystemencoding()}, in which the script's name is not a text",
            remedy="Start it with `python -X utf8`, or rename it.",
        ) from fault


def _claim(folder: Path, *, own: bool) -> FolderLock:
    make_folder(folder)
    lock = FolderLock(folder)
    try:
        if not own:
            write_text(ROOT / ".gitignore", "*\n")
        for left in (folder / CHECKPOINTS).glob(".partial-*"):  # of a killed save
            left.unlink()
    except OSError:
        lock.release()
        raise
    return lock


def _script() -> Path | None:
    """Path of the running script; an interactive Python has none."""
    given = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if given is None else Path(given).absolute()


def name_of(script: Path | None) -> str:
    """Name of a script's training: its file without the suffix, or the folder of a package."""
    if script is None:
        return "interactive"
    return script.parent.name if script.stem == "__main__" else script.stem


def folder_of(script: Path | None, chosen: Path | None = None) -> Path:
    """Folder of a script's training, below the current folder unless the user chose another one."""
    return (chosen or ALONE / _inside(script) / name_of(script)).absolute()


def _inside(script: Path | None) -> Path:
    """Folders from the current one to the script: two scripts with one name have two folders."""
    above = Path.cwd()
    return script.parent.relative_to(above) if script is not None and script.is_relative_to(above) else Path()


def _ticket(settings: Settings, folder: Path, name: str, script: Path | None) -> Ticket:
    code = script.read_bytes() if script is not None and script.is_file() else b""
    spec = {
        "scenario": name,
        "lineage": {"seed": settings.seed},
        "settings": dict(settings.settings),
        "target_steps": settings.target,
        "checkpoint_every_steps": settings.save_every,
        "deadline_s": settings.deadline_s,
        "device": settings.device,
        "resume_floor": "statistical",
    }
    latest = survey_checkpoints(folder, name).latest
    return Ticket(
        run_id=ALONE_RUN,
        session=1 if latest is None else int(latest.stamp["session"]) + 1,
        attempt=1,
        nonce=secrets.token_hex(16),
        section=name,
        section_dir=name,
        lineage_id=digest_of({"script": name, "seed": settings.seed}),
        spec=spec,
        spec_digest=digest_of(spec),
        bundle_digest=hashlib.sha256(code).hexdigest(),
    )


def _echo(line: str) -> None:
    """Print a message on standard error; events for programs are only in the event file."""
    if not line.startswith(REPORT_TAG):
        encoding = sys.stderr.encoding or "ascii"
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)
