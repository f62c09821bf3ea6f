"""The training of a user's own script: what it keeps, its loop over steps, its saves and its end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.kernel.outcome import MORE_TO_DO, KernelEnding, SectionOutcome, SessionRefused
from orchestrator.kernel.schema import own_of
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.cadence import SaveCadence
from orchestrator.kernel.training.cuts import Cuts, Trace
from orchestrator.kernel.training.kept_state.archive import unpack_files
from orchestrator.kernel.training.kept_state.checkpoints import Checkpoints
from orchestrator.kernel.training.kept_state.kept import Kept
from orchestrator.kernel.training.kept_state.random_state import seed_random
from orchestrator.kernel.training.kept_state.state import State
from orchestrator.kernel.training.program import program_variables, run_program
from orchestrator.kernel.training.progress import Progress, cannot_write
from orchestrator.kernel.training.settings import resolve_device
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX


class Run:
    """One training; made by `session()`.

    Attributes:
        settings: The training's own values: in a session `settings` of the card, and the section's own keys.
        seed: Seed of the training, 0 if none was given. A given one also seeds the global generators of Python, numpy
            and torch, if they are imported before the session begins.
        target: Steps of the whole training, None if the script decides when it ends.
        device: `cpu` or `cuda`.
        folder: Folder for the script's own results.
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
        lineage = spec.get("lineage") or {}
        self._context = context
        self._on_finished = on_finished
        self.settings: dict[str, Any] = {**defaults, **(spec.get("settings") or {}), **own_of(spec)}
        seed = lineage.get("seed", spec.get("seed"))
        self.seed: int = seed or 0
        if seed is not None:
            seed_random(seed)
        self.target: int | None = spec.get("target_steps")
        self.device = resolve_device(str(spec.get("device") or "auto"))
        self.folder: Path = context.metrics_dir
        self.folder.mkdir(parents=True, exist_ok=True)
        self._checkpoints = Checkpoints(context, self.device)
        saved = self._checkpoints.open()
        start = 0 if saved is None else saved.card.steps
        self._cuts, self._trace = Cuts(environ or {}, start), Trace(environ or {}, start)
        self._start = self._step = start
        self._reported = 0  # steps that a loop of the script's own reported
        self._loops = False
        self._finished = saved is not None and bool(saved.state["finished"])
        self._best: float | None = None if saved is None else saved.state["best_score"]
        self._state = State(context, self._checkpoints, saved)
        every = spec.get("checkpoint_every_steps")
        self._cadence = SaveCadence(every, start=start, monotonic=context.monotonic)
        reported = 0 if saved is None else saved.state.get("reports")
        self._progress = Progress(context, start=start, target=self.target, reported=reported)
        self._resume_folder: Path | None = None
        self._left = False
        self._paused: bool | None = None

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
        self._cuts.passed(step)

    @property
    def deadline(self) -> float | None:
        """Seconds until the session must end, None without limit."""
        return self._context.deadline.remaining_s

    @property
    def remaining(self) -> int | None:
        """Steps to the target, None without one."""
        return None if self.target is None else max(0, self.target - self.step)

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
    def grade(self) -> str | None:
        """How exact the resume is: `exact`, `statistical`; None for a fresh training."""
        return self._checkpoints.grade

    @property
    def resume_folder(self) -> Path | None:
        """Folder with the files that the script's own `write` saved last, None if there are none.

        Ask before the first save. The folder is deleted when the session ends.
        """
        resumed = self._checkpoints.resumed
        if self._resume_folder is None and resumed is not None:
            folder = Path(tempfile.mkdtemp(prefix="orchestrator-resume-"))
            self._resume_folder = folder
            unpack_files(self._context.models_dir / CHECKPOINTS / (resumed.stem + MODEL_SUFFIX), folder)
        return self._resume_folder if self._resume_folder is not None and any(self._resume_folder.iterdir()) else None

    def keep(self, **parts: Any) -> Kept:
        """Name what belongs to the state of the training, and restore it if there is a checkpoint.

        Objects with `state_dict`/`load_state_dict`, `get_state`/`set_state` or `getstate`/`setstate`, generators of
        numpy, arrays, lists and dicts are restored in place. Plain numbers and texts cannot be: read and set them as
        attributes of the value returned.

        Returns:
            The kept parts as attributes.

        Raises:
            CheckpointUnusable: A part of the checkpoint does not fit the script's.
        """
        if self._state.begun:
            raise RuntimeError("call keep() before steps() and save()")
        self._state.add(parts)
        return self._state.kept

    def steps(self, size: int = 1, *, write: Callable[[Path], object] | None = None) -> Iterator[int]:
        """Yield the number of steps done before each pass of the loop: 0, 1, 2 ... to the target.

        After a resume it continues where the checkpoint was saved. It saves between two passes, and ends at the
        target, after `finish()`, at the deadline, or after SIGTERM or Ctrl-C; the last state is saved then.

        Args:
            size: Steps of one pass, for loops that collect many at once.
            write: Saves files of your own into the folder that it is given; see `resume_folder`.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"steps(size=...) must be a whole number above 0, not {size!r}")
        self._begin()
        if self._trace.is_on:
            self._write_trace(write)
        self._loops = True
        while not self.finished and not self._must_leave():
            started_s = self._context.monotonic()
            yield self.step
            self.step += size
            self._context.deadline.measured("step", self._context.monotonic() - started_s)
            if self._trace.is_due(self.step) or (self._trace.is_on and self.finished):
                self._write_trace(write)
            if not self.finished and (self.save_is_due or self._cuts.wants_save(self.step)):
                self._save(write)
        if self.step > self.saved_steps:
            self._save(write)
        if self.finished and self._on_finished is not None:
            self._on_finished()

    def finish(self) -> None:
        """Declare the training finished after this pass of the loop, before its target."""
        self._finished = True

    def report(self, step: int, **numbers: Any) -> None:
        """Record numbers of a step: in `progress.jsonl` in `folder`, and from time to time in the log.

        A number named `score` is the objective of searches and pruning: higher is better.
        """
        score = self._progress.report(step, numbers)
        if not self._loops:
            self._reported = max(self._reported, step)
        if score is not None and (self._best is None or score > self._best):
            self._best = score

    @property
    def save_is_due(self) -> bool:
        """Whether to save now: by the cadence in steps, or else by time. Ask once after each step."""
        return self._cadence.is_due(self.step)

    def save(self, step: int, write: Callable[[Path], object] | None = None) -> None:
        """Save now, after `step` steps; for scripts with their own loop.

        Args:
            step: Steps done, more than at the last save; the same number saves nothing.
            write: Writes files of your own into the folder that it is given.

        Raises:
            ValueError: A later step is already saved.
        """
        if isinstance(step, bool) or not isinstance(step, int) or step < self.saved_steps:
            raise ValueError(f"save({step!r}): a whole number from {self.saved_steps} on is needed")
        self._begin(restore=False)
        self.step = step
        if self._trace.is_due(step):
            self._write_trace(write)
        if step > self.saved_steps:
            self._save(write)

    def program(self, command: Sequence[str]) -> None:
        """Run a training program in any language to its end; docs/YOUR_OWN.md lists variables and exit codes.

        Raises:
            subprocess.CalledProcessError: It ended with another code than 0 and `MORE_TO_DO`.
            OSError: It cannot be started.
        """
        if self.finished:
            return
        self._cuts.never_kill()  # the program would go on without this process
        self._begin()
        if self._trace.is_on:
            self._write_trace(None)
        variables = program_variables(
            self.resume_folder, self._start, self.target, self.seed, self.device, self.deadline
        )

        def save(steps: int, folder: Path) -> None:
            if steps > self.saved_steps:
                self.save(steps, write=lambda target: shutil.copytree(folder, target, dirs_exist_ok=True))

        code = run_program(command, variables=variables, should_stop=lambda: self.should_stop, save=save)
        if code not in (0, MORE_TO_DO):
            raise subprocess.CalledProcessError(code, list(command))
        self._finished, self._left = code == 0, code == MORE_TO_DO

    def use_proof(self, find: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Write the facts of a proof into the cards; `find` gets the conditions of this training."""
        if not self._trace.is_on:
            self._checkpoints.proof = find(self._checkpoints.conditions(self.settings))

    def outcome(self, **fields: Any) -> SectionOutcome:
        """Return value of a section's `run`: how the session ended.

        Args:
            fields: Further fields, e.g. `verdict`, `verdict_reasons`, `summary`.
        """
        ending = KernelEnding.STOPPED if self._context.stop.requested else KernelEnding.PAUSED
        resumed = self._checkpoints.resumed
        return SectionOutcome(
            ending=ending if self.paused else KernelEnding.FINISHED,
            steps_start=self._start,
            steps_done=self.saved_steps,
            resumed_from=None if resumed is None else resumed.digest,
            resume_grade=self.grade,
            resume_reasons=tuple(self._checkpoints.reasons),
            training={"best_model_score": self._best},
            runtime=self._checkpoints.runtime,
            **fields,
        )

    def close(self) -> None:
        """End the training: what follows changes nothing about how it ended. Deletes the folder of `resume_folder`."""
        self._paused = self.paused
        if self._resume_folder is not None:
            shutil.rmtree(self._resume_folder, ignore_errors=True)

    @property
    def saved_steps(self) -> int:
        """Steps of the newest checkpoint, 0 without one."""
        return 0 if self._checkpoints.parent is None else self._checkpoints.parent.steps

    def _must_leave(self) -> bool:
        if self._context.stop.requested:
            return True
        return self.should_stop and (self._on_finished is None or self.step > self._start)

    def _begin(self, *, restore: bool = True) -> None:
        if not self._state.begun:
            self._state.begin(restore=restore)
            self._trace.write({"conditions": self._checkpoints.conditions(self.settings)})

    def _write_trace(self, write: Callable[[Path], object] | None) -> None:
        self._trace.write({"step": self.step, "parts": self._state.digests(write)})

    def _save(self, write: Callable[[Path], object] | None) -> None:
        try:
            facts = {"finished": self._finished, "best_score": self._best, "reports": self._progress.reported}
            took_s = self._state.save(self.step, facts, write=write)
        except OSError as fault:
            if self._on_finished is None:
                raise  # the kernel session names the reason in its manifest
            reason = cannot_write(fault, self._context.models_dir)
            raise SessionRefused(reason, remedy="Make room, or set ORCHESTRATOR_FOLDER to another folder.") from fault
        self._cadence.saved(took_s)
        self._cuts.saved(self.step)
