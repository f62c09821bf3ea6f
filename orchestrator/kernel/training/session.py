"""`session()`: the way into the loop for a user's own script, alone or inside a kernel session."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from orchestrator.kernel.environment.children import children_end_with_this_process
from orchestrator.kernel.outcome import MORE_TO_DO, LeftTraining, SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.current import RunningSection, running_section
from orchestrator.kernel.training.alone import ROOT, Alone, open_alone
from orchestrator.kernel.training.progress import cannot_write
from orchestrator.kernel.training.proof import PROOFS, proof_of_script
from orchestrator.kernel.training.run import Run
from orchestrator.kernel.training.settings import read_settings

__all__ = ["MORE_TO_DO", "session"]

_FAILED, _REFUSED, _INTERRUPTED = 1, 2, 130


class session:  # noqa: N801 - used like a function: `with orchestrator.session() as run`
    """Opens the training of a script, and ends the process with the right code.

    Inside a kernel session the card decides. Alone, arguments and environment variables decide; a variable wins. In
    both, a script whose training pauses leaves at the end of the `with` block. The exit codes alone are: 0 at the
    target, `MORE_TO_DO` after SIGTERM or at the deadline, 130 after Ctrl-C, 2 if the training cannot start or save, 1
    if the script leaves before its target.

    Args:
        target: Steps of the whole training; None: until `run.finish()`.
        seed: Seed of the training; None: nothing is seeded.
        save_every: Steps between two saves; None: about every 30 s.
        deadline_s: Wall seconds that this process may use.
        device: `auto`, `cpu` or `cuda`.
        folder: Folder for checkpoints; None: `.orchestrator/alone/<script>`.
        settings: Defaults of the script's own values, plain JSON.
        context: The kernel session; None: the one that runs, if any.
    """

    def __init__(
        self,
        *,
        target: int | None = None,
        seed: int | None = None,
        save_every: int | None = None,
        deadline_s: float | None = None,
        device: str | None = None,
        folder: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        context: SessionContext | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "target": target,
            "seed": seed,
            "save_every": save_every,
            "deadline_s": deadline_s,
            "device": device,
            "folder": folder,
            "settings": settings,
        }
        self._context = context
        self._section: RunningSection | None = None
        self._alone: Alone | None = None
        self._run: Run | None = None

    def __enter__(self) -> Run:
        children_end_with_this_process()
        section = self._section = running_section()
        context = self._context or (section.context if section else None)
        if context is not None:
            if section is not None:
                section.require_first()
            defaults = dict(self._arguments["settings"] or {})
            self._run = Run(context, defaults=defaults, environ=os.environ)
            if section is not None:
                section.training = self._run
            return self._run
        try:
            self._alone = open_alone(read_settings(self._arguments, os.environ))
            alone = self._alone
            self._run = Run(alone.context, defaults={}, on_finished=alone.signals.restore, environ=os.environ)
            self._run.use_proof(partial(proof_of_script, ROOT / PROOFS, alone.script, alone.context.reporter.say))
            return self._run
        except SessionRefused as refusal:
            self._refuse(refusal.account)
        except OSError as fault:
            self._refuse(f"{fault.filename or 'a file'} cannot be used: {fault.strerror or fault}")

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        alone, run = self._alone, self._run
        interrupted = alone is not None and alone.signals.interrupted
        stopped = run is not None and run.paused
        left = isinstance(fault, LeftTraining)  # of this session's model, or of a caller's
        if alone is not None and run is not None and fault is None:
            try:
                run.end()
            except OSError as full:
                fault = SessionRefused(cannot_write(full, alone.context.models_dir))
        self._close()
        if run is None:
            return left
        clean = fault is None or left
        if self._section is not None:
            self._section.left_early = run.left_message if clean and run.left_early else ""
        of_a_script = alone is not None or (self._section is not None and self._section.script)
        if alone is not None and isinstance(fault, SessionRefused):
            _explain("Cannot continue", fault.account)
            raise SystemExit(_REFUSED) from None
        if alone is not None and isinstance(fault, KeyboardInterrupt):
            _explain("Interrupted", f"{run.saved_steps} steps are saved; the same command continues")
            raise SystemExit(_INTERRUPTED) from None
        if of_a_script and clean:
            _leave_if_unfinished(run, stopped=stopped, interrupted=interrupted)
        if alone is not None and fault is None and run.finished:
            _explain("Finished", f"{run.saved_steps} steps; results are in {_shown(alone.context.models_dir)}")
        return left

    def _refuse(self, why: str) -> NoReturn:
        self._close()
        _explain("Cannot start", why)
        raise SystemExit(_REFUSED) from None

    def _close(self) -> None:
        if self._run is not None:
            self._run.close()
        if self._alone is not None:
            self._alone.close()


def _leave_if_unfinished(run: Run, *, stopped: bool, interrupted: bool) -> None:
    """End the process unless the training has reached its end."""
    if stopped:
        _explain("Saved", f"{run.saved_steps} steps; the same command continues")
        raise SystemExit(_INTERRUPTED if interrupted else MORE_TO_DO) from None
    if run.left_early:
        if running_section() is None:  # a section's session reports it
            print(run.left_message, file=sys.stderr, flush=True)
        raise SystemExit(_FAILED)


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _explain(what: str, text: str) -> None:
    print(f"{what}: {text}", file=sys.stderr, flush=True)
