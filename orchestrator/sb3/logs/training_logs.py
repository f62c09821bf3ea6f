"""Continues the logs of a training: what the files held at the checkpoint, and then what this session adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv

from orchestrator.kernel.training.kept_state.logs import MOST_BYTES, Logs, OpenFiles
from orchestrator.sb3.logs.curves import Curves
from orchestrator.sb3.logs.event_files import curves_of
from orchestrator.sb3.logs.iterations import continue_iterations
from orchestrator.sb3.logs.outputs import capture_logger, restore_logger
from orchestrator.sb3.logs.worker_files import contents_of_workers, continue_clocks, restore_in_workers
from orchestrator.sb3.logs.written_files import files_of_callbacks, own_paths, restore_files_of_callbacks
from orchestrator.sb3.state.algorithm_state import outside_of

_SPARE_S = 5.0
"""The clock of a file system may be behind that of this machine by so much."""


class TrainingLogs:
    """The logs of one training in this session.

    Args:
        model: The model.
        curves: Its event files.
        say: Prints a message.
        began_s: Time at which the session began, in seconds since 1970.
    """

    def __init__(self, model: BaseAlgorithm, curves: Curves, *, say: Callable[[str], None], began_s: float) -> None:
        self._model, self._curves, self._say = model, curves, say
        self._since_s = began_s - _SPARE_S
        self._iterations = continue_iterations(model)
        self._callbacks: list[BaseCallback] = []
        self._own: BaseCallback | None = None
        self._saved: Logs | None = None
        self._begins = False
        self._chosen: set[Path] = set()
        self._told: set[str] = set()

    def resume(self, saved: Logs | None) -> None:
        """Continue the logs of a checkpoint: those of the environment now, the others when `learn` begins.

        The environment has just emptied its files, and a script may not call `learn` again.

        Raises:
            OSError: A file cannot be written.
        """
        self._saved = saved
        if saved is not None:
            self._iterations.before = int(saved.tree["iterations"])
            self._restore_files(saved, OpenFiles({"env": self._model.env}))

    def learn_begins(self, callbacks: list[BaseCallback], own: BaseCallback | None) -> None:
        """A call of `learn` begins; its logger is new."""
        self._callbacks, self._own, self._begins = callbacks, own, True

    def before_restore(self) -> None:
        """The state of the callbacks is about to be restored."""
        self._chosen = own_paths(self._written(self._open_files()).values())

    def at_boundary(self) -> None:
        """Before the first rollout of a call of `learn`: put back the logs, and drop what was logged since.

        Raises:
            OSError: A file cannot be written.
        """
        if not self._begins:
            return
        self._begins = False
        saved, self._saved = self._saved, None
        self._curves.settle(self._model, saved)
        if saved is None:
            return
        open_files = self._open_files()
        self._restore_files(saved, open_files)
        if "logger" in saved.tree:
            restore_logger(self._model.logger, saved.tree["logger"], saved.buffers, self._outside())
        written = _below("written", saved.files)
        for path in restore_files_of_callbacks(self._written(open_files), written, self._chosen):
            self._say(f"[CHECKPOINT] {path} was changed since the checkpoint, so it is left as it is")

    def _restore_files(self, saved: Logs, open_files: OpenFiles) -> None:
        open_files.restore(_below("open", saved.files), _below("open", saved.names))
        continue_clocks(open_files)
        for place, env in self._workers(open_files).items():
            restore_in_workers(env, _below(f"worker {place}", saved.files), _below(f"worker {place}", saved.names))

    def learn_ended(self, *, finished: bool) -> None:
        """`learn` returns; every point is written.

        Args:
            finished: Whether the training has reached its end.
        """
        self._iterations.ended(finished=finished)
        for output in curves_of(self._model.logger):
            output.flush()

    def saved(self) -> None:
        """A checkpoint is written."""
        self._curves.saved()

    def capture(self) -> Logs:
        """The logs up to now."""
        buffers: list[bytes] = []
        tree: dict[str, Any] = {"iterations": self._iterations.done}
        files, names = self._curves.contents(self._model), dict[str, str]()
        tree["curves"] = self._curves.to_tree(self._model)
        if getattr(self._model, "_logger", None) is not None:
            tree["logger"] = capture_logger(self._model.logger, buffers, self._outside())
        open_files = self._open_files()
        parts = {"open": open_files.contents()}
        for place, env in self._workers(open_files).items():
            parts[f"worker {place}"] = contents_of_workers(env)
        for part, (found, named) in parts.items():
            files |= {f"{part}:{key}": content for key, content in found.items()}
            names |= {f"{part}:{key}": name for key, name in named.items()}
        written = files_of_callbacks(self._written(open_files), self._since_s)
        unseen = {key: path for key, path in written.items() if path not in open_files.paths}
        return Logs(files=self._within_limit(files, unseen), names=names, tree=tree, buffers=buffers)

    def _within_limit(self, files: Mapping[str, bytes], written: Mapping[str, Path]) -> dict[str, bytes]:
        taken: dict[str, bytes] = {}
        left = MOST_BYTES
        sized = [(key, len(content), key) for key, content in files.items()]
        sized += [(f"written:{key}", path.stat().st_size, str(path)) for key, path in written.items()]
        for key, size, name in sized:
            if size <= left:
                left -= size
                taken[key] = files[key] if key in files else Path(name).read_bytes()
            elif name not in self._told:
                self._told.add(name)
                self._say(f"[CHECKPOINT] Not in the checkpoint, since its logs exceed {MOST_BYTES >> 20} MB: {name}")
        return taken

    def _open_files(self) -> OpenFiles:
        model = self._model
        roots: dict[str, Any] = {"env": model.env, "callbacks": self._callbacks}
        roots["logger"] = getattr(model, "_logger", None)
        return OpenFiles(roots, (model, model.policy, self._own))

    def _workers(self, files: OpenFiles) -> dict[str, SubprocVecEnv]:
        return {place: one for place, one in files.objects.items() if isinstance(one, SubprocVecEnv)}

    def _written(self, files: OpenFiles) -> dict[str, BaseCallback]:
        return {place: one for place, one in files.objects.items() if isinstance(one, BaseCallback)}

    def _outside(self) -> dict[str, Any]:
        return {name: one for name, one in outside_of(self._model).items() if name != "logger"}


def _below(part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{part}:"
    return {key.removeprefix(start): value for key, value in values.items() if key.startswith(start)}
