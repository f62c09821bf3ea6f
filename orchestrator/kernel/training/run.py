"""The training of a user's own script: what it keeps, its loop over steps, its saves and its end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.kernel.outcome import MORE_TO_DO, SessionRefused
from orchestrator.kernel.training.base_run import BaseRun
from orchestrator.kernel.training.kept_state.check.copies import add_factory, remove_factory
from orchestrator.kernel.training.kept_state.kept import Kept
from orchestrator.kernel.training.kept_state.rules.registry import add_rule, remove_rule
from orchestrator.kernel.training.model import open_model
from orchestrator.kernel.training.program import program_variables, run_program
from orchestrator.kernel.training.progress import cannot_write
from orchestrator.kernel.training.settings import whole_number

Model = TypeVar("Model")


class Run(BaseRun):
    """One training; made by `session()`. See `BaseRun` for what it offers for reading."""

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
            raise RuntimeError("call keep() before steps(), save() and model.learn()")
        self._state.add(parts)
        return self._state.kept

    def environment_rule(self, rule: Any) -> None:
        """Save and restore objects that hide their state, in environments or anywhere in what is kept.

        Args:
            rule: An object with `claims(value)`, `save(value)` and `load(value, state)`; see `EnvironmentRule`.

        Raises:
            TypeError: It lacks a method.
        """
        self._before_parts("environment_rule")
        add_rule(rule)
        self._on_close.append(partial(remove_rule, rule))

    def environment_factory(self, build: Callable[[], Any]) -> None:
        """Name a function that builds a further copy of an environment, for the check at the start.

        Needed only for environments that `gymnasium.make` did not build. It may leave out the outer wrappers.
        """
        self._before_parts("environment_factory")
        add_factory(build)
        self._on_close.append(partial(remove_factory, build))

    def _before_parts(self, name: str) -> None:
        if self._learning is not None or self._state.kept._names:
            raise RuntimeError(f"call run.{name} before run.keep and run.sb3")

    def sb3(self, build: Callable[[], Model]) -> Model:
        """Build a model of stable-baselines3, or resume it exactly from the newest checkpoint.

        Then call `model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)`. It leaves the `with`
        block when the session must end.

        Args:
            build: Builds the untrained model with its environment, e.g. `lambda: PPO("MlpPolicy", env)`.

        Returns:
            The model.

        Raises:
            SessionRefused: There is no target, stable-baselines3 is not installed, or the model differs from the
                checkpoint's.
        """
        if self._learning is not None or self._state.begun:
            raise RuntimeError("call run.sb3 once, and without steps() and save(): model.learn is the loop")
        self._learning = open_model(
            self, build, context=self._context, checkpoints=self._checkpoints, state=self._state
        )
        model: Model = self._learning.model
        return model

    @property
    def callback(self) -> Any:
        """The callback for `model.learn`, alone or in a list with others."""
        if self._learning is None:
            raise RuntimeError("call run.sb3 before you use run.callback")
        return self._learning.callback

    def steps(self, size: int = 1, *, write: Callable[[Path], object] | None = None) -> Iterator[int]:
        """Yield the number of steps done before each pass of the loop: 0, 1, 2 ... to the target.

        After a resume it continues where the checkpoint was saved. It saves between two passes, and ends at the
        target, after `finish()`, at the deadline, or after SIGTERM or Ctrl-C; the last state is saved then.

        Args:
            size: Steps of one pass, for loops that collect many at once.
            write: Saves files of your own into the folder that it is given; see `resume_folder`.
        """
        size = whole_number("steps(size=...)", size, least=1)
        self._begin()
        self._loops = True
        self._write_trace(write)
        while not self.finished and not self.must_leave:
            started_s = self._context.monotonic()
            self.inside_pass = True
            yield self.step
            self.inside_pass = False
            self.step += size
            self._context.deadline.measured("step", self._context.monotonic() - started_s)
            if self.finished or self._trace.is_due(self.step):
                self._write_trace(write)
            if not self.finished and self.save_is_due:
                self._save(write)
        if self.step > self.saved_steps:
            self._save(write)
        if self.finished:
            self.saved_at_the_end()

    def saved_at_the_end(self) -> None:
        """The last state is saved: alone, signals end the process again."""
        if self._on_finished is not None:
            self._on_finished()

    def finish(self) -> None:
        """Declare the training finished after this pass of the loop, before its target."""
        self._finished = True

    def report(self, step: int, **numbers: Any) -> None:
        """Record numbers of a step: in `progress.jsonl` in `folder`, and from time to time in the log.

        A number named `score` is the objective of searches and pruning: higher is better.
        """
        self._scored = self._scored or "score" in numbers
        if not self._loops:
            self._reported = max(self._reported, step)
        self._record(step, numbers)

    def report_episodes(self, reward: float | None, length: float | None) -> None:
        """Record the mean reward and length of a model's newest episodes; the score, unless the script reports one."""
        means = {"reward" if self._scored else "score": reward, "episode_length": length}
        self._record(self.step, {name: value for name, value in means.items() if value is not None})

    def _record(self, step: int, numbers: dict[str, Any]) -> None:
        score = self._progress.report(step, numbers)
        if score is not None and (self._best is None or score > self._best):
            self._best = score

    def _begin(self, *, restore: bool = True) -> None:
        if self._learning is not None:
            raise RuntimeError("with run.sb3, model.learn is the loop: leave out steps() and save()")
        self._state.begin(restore=restore)

    def _write_trace(self, write: Callable[[Path], object] | None) -> None:
        if self._trace.is_on:
            self._trace.write({"step": self.step, "parts": self._state.digests(write)})

    @property
    def save_is_due(self) -> bool:
        """Whether to save now: by the cadence in steps, or else by time. Ask once after each step."""
        return self._cadence.is_due(self.step) or self._cuts.wants_save(self.step)

    def save(self, step: int, write: Callable[[Path], object] | None = None) -> None:
        """Save now, after `step` steps; for scripts with their own loop.

        Args:
            step: Steps done, more than at the last save; the same number saves nothing.
            write: Writes files of your own into the folder that it is given.

        Raises:
            ValueError: A later step is already saved.
        """
        step = whole_number("save(step)", step, least=self.saved_steps)
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

    def _save(self, write: Callable[[Path], object] | None) -> None:
        self.guarded(lambda: self._state.save(self.step, self.progress_fields(), write=write))

    def progress_fields(self) -> dict[str, Any]:
        """What a checkpoint records beside the state: whether `finish()` was called, the best score, and reports."""
        return {"finished": self._finished, "best_score": self._best, "reports": self._progress.reported}

    def guarded(self, save: Callable[[], float]) -> None:
        """Save; alone, name a full disk or a folder that cannot be written.

        Args:
            save: Saves and returns the seconds that it took.
        """
        try:
            took_s = save()
        except OSError as fault:
            if self._on_finished is None:
                raise  # the kernel session names the reason in its manifest
            reason = cannot_write(fault, self._context.models_dir)
            raise SessionRefused(reason, remedy="Make room, or set ORCHESTRATOR_FOLDER to another folder.") from fault
        self._cadence.saved(took_s)
        self._cuts.saved(self.step)
