"""What a script reads of its training, and how the training ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.schema import own_of
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.cadence import SaveCadence
from orchestrator.kernel.training.cuts import Cuts, Trace
from orchestrator.kernel.training.kept_state.archive import unpack_files
from orchestrator.kernel.training.kept_state.checkpoints import Checkpoints
from orchestrator.kernel.training.kept_state.random_state import seed_of, seed_random
from orchestrator.kernel.training.kept_state.state import State
from orchestrator.kernel.training.progress import Progress, left_message
from orchestrator.kernel.training.settings import resolve_device
from orchestrator.kernel.wire import ALONE_RUN, CHECKPOINTS, MODEL_SUFFIX


class BaseRun:
    """One training; made by `session()`.

    Attributes:
        settings: The training's own values: in a session `settings` of the card, and the section's own keys.
        seed: Seed of the training, 0 if none was given. A given one also seeds the global generators of Python, numpy
            and torch, if they are imported before the session begins.
        target: Steps of the whole training, None if the script decides when it ends.
        device: `cpu` or `cuda`.
        folder: Folder for the script's own results.
        inside_pass: Whether a pass of the loop has begun and not ended; after `break` it stays so.
    """

    def __init__(
        self,
        context: SessionContext,
        *,
        defaults: dict[str, Any],
        on_finished: Callable[[], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        spec = context.ticket.spec
        self._context = context
        self._on_finished = on_finished
        self.settings: dict[str, Any] = {**defaults, **(spec.get("settings") or {}), **own_of(spec)}
        seed = seed_of(spec)
        self.seed: int = seed or 0
        if seed is not None:
            seed_random(seed)
        self.target: int | None = spec.get("target_steps")
        self.device = resolve_device(str(spec.get("device") or "auto"))
        self.folder: Path = context.metrics_dir
        self.folder.mkdir(parents=True, exist_ok=True)
        self._checkpoints = Checkpoints(context, self.device)
        saved = self._checkpoints.open()
        start = 0 if self._checkpoints.resumed is None else self._checkpoints.resumed.steps
        self._cuts, self._trace = Cuts(environ or {}, start), Trace(environ or {}, start)
        self._trace.write({"conditions": self._checkpoints.conditions(self.settings)})
        self._start = self._step = start
        self._loops = False
        self._reported = 0  # steps that a loop of the script's own reported
        self._finished = saved is not None and (bool(saved.state["finished"]) or self._checkpoints.is_finished)
        self._best: float | None = None if saved is None else saved.state["best_score"]
        self._state = State(context, self._checkpoints, saved)
        every = spec.get("checkpoint_every_steps")
        self._cadence = SaveCadence(every, start=start, monotonic=context.monotonic)
        reports = 0 if saved is None else saved.state.get("reports")
        self._progress = Progress(context, start=start, target=self.target, reported=reports)
        self._resume_folder: Path | None = None
        self._left = False
        self.inside_pass = False
        self._learning: Any = None
        self._scored = False
        self._fields: dict[str, Any] = {}
        self._paused: bool | None = None
        self._on_close: list[Callable[[], None]] = []
        context.reporter.steps_now = lambda: max(self._step, self._reported)

    @property
    def start(self) -> int:
        """Steps done before this process. A loop of the script's own reads it last before it begins.

        The global random generators are restored then.
        """
        if not self._state.begun:
            self._state.restore_generators()
        return self._start

    @property
    def step(self) -> int:
        """Steps done now."""
        return self._step

    @step.setter
    def step(self, step: int) -> None:
        self._step = step
        if self._learning is not None and self._trace.is_due_at_boundary(step):
            self._trace.write({"step": step, "parts": self._learning.digests()})
        self._cuts.passed(step)

    @property
    def deadline(self) -> float | None:
        """Seconds until the session must end, None without limit."""
        return self._context.deadline.remaining_s

    @property
    def remaining(self) -> int | None:
        """Steps to the target, 0 after `finish()`; None without a target."""
        if self.target is None:
            return None
        return 0 if self._finished else max(0, self.target - self.step)

    @property
    def finished(self) -> bool:
        """Whether the training has its target steps, or the script called `finish()`."""
        return self._finished or self.remaining == 0

    @property
    def should_stop(self) -> bool:
        """Whether to save and leave now: by SIGTERM, Ctrl-C or the deadline, or because `prove` cuts here."""
        return self._context.must_leave or self._cuts.wants_to_leave(max(self.step, self._reported))

    @property
    def paused(self) -> bool:
        """Whether the training ended before its target and can be continued; fixed when the session closes."""
        if self._paused is not None:
            return self._paused
        return not self.finished and (self._left or self.should_stop)

    @property
    def left_early(self) -> bool:
        """Whether the script left before its target and was not asked to: by `break`, or without a loop."""
        return not self.finished and not self.paused and (self.target is not None or self.inside_pass)

    @property
    def left_message(self) -> str:
        """Message for a script that left early."""
        unused = self._learning is not None and not self._learning.begun
        return left_message(self.saved_steps, self.target, unused_callback=unused)

    @property
    def is_open(self) -> bool:
        """Whether the session goes on."""
        return self._paused is None

    @property
    def is_alone(self) -> bool:
        """Whether the script runs without a project."""
        return self._context.ticket.run_id == ALONE_RUN

    @property
    def models_dir(self) -> Path:
        """Folder of its checkpoints."""
        return self._context.models_dir

    @property
    def grade(self) -> str | None:
        """How exact the resume is: `exact`, `statistical`, `weights-only`; None for a fresh training."""
        return self._checkpoints.grade

    @property
    def resume_folder(self) -> Path | None:
        """Folder with the files that the script's own `write` saved last, None if there are none.

        Ask before the first save. The folder is deleted when the session ends.
        """
        resumed = self._checkpoints.resumed
        if self._resume_folder is None and resumed is not None and not resumed.is_adopted_model:
            folder = Path(tempfile.mkdtemp(prefix="orchestrator-resume-"))
            self._resume_folder = folder
            unpack_files(self._context.models_dir / CHECKPOINTS / (resumed.stem + MODEL_SUFFIX), folder)
        return self._resume_folder if self._resume_folder is not None and any(self._resume_folder.iterdir()) else None

    def use_proof(self, find: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Write the facts of a proof into the cards; `find` gets the conditions of this training."""
        if not self._trace.is_on:
            self._checkpoints.proof = find(self._checkpoints.conditions(self.settings))

    def outcome(self, **fields: Any) -> SectionOutcome:
        """How the session ended: return value of a section's `run`. Fields such as `verdict` stay for later calls."""
        self._fields |= fields
        ending = KernelEnding.STOPPED if self._context.stop.requested else KernelEnding.PAUSED
        resumed = self._checkpoints.resumed
        return SectionOutcome(
            ending=ending if self.paused or self.left_early else KernelEnding.FINISHED,
            steps_start=self._start,
            steps_done=self.saved_steps,
            resumed_from=None if resumed is None else resumed.digest,
            resume_grade=self.grade,
            resume_reasons=tuple(self._checkpoints.reasons),
            training={"best_model_score": self._best},
            runtime=self._checkpoints.runtime,
            **self._fields,
        )

    def end(self) -> None:
        """Record an end by `finish()` after the last save, so that the next start does not train on."""
        if self._finished and self.step == self.saved_steps:
            self._checkpoints.mark_finished()

    def close(self) -> None:
        """End the training: what follows changes nothing about how it ended. Deletes the folder of `resume_folder`."""
        self._paused = self.paused
        for undo in self._on_close:
            undo()
        if self._resume_folder is not None:
            shutil.rmtree(self._resume_folder, ignore_errors=True)

    @property
    def saved_steps(self) -> int:
        """Steps of the newest checkpoint, 0 without one."""
        return 0 if self._checkpoints.parent is None else self._checkpoints.parent.steps

    @property
    def must_leave(self) -> bool:
        """Whether to leave now: as `should_stop`, but alone each session makes progress before its deadline."""
        if self._context.stop.requested:
            return True
        return self.should_stop and (self._on_finished is None or self.step > self._start)
