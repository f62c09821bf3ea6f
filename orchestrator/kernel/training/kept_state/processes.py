"""Environments in processes of their own (`SubprocVecEnv`): each process captures and restores its environment.

The states travel through the connections of the vector environment. An object is set as an attribute of the outermost
environment in each process, and called by `env_method`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import types
import weakref
from multiprocessing.connection import wait
from typing import Any

from orchestrator.kernel.environment.children import end_with_parent
from orchestrator.kernel.reading.json_text import MAX_STATE_DEPTH, read_json
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.check.step_and_compare import check_environment
from orchestrator.kernel.training.kept_state.comparison import node_digest
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.objects.program import class_name
from orchestrator.kernel.training.kept_state.objects.spaces import seed_spaces
from orchestrator.kernel.training.kept_state.random_state import capture_random, restore_random
from orchestrator.kernel.training.kept_state.rules.faults import NotSaved
from orchestrator.kernel.training.kept_state.rules.recording import InProcess
from orchestrator.kernel.training.kept_state.rules.registry import BUILT_IN, add_rule, added_rules, rule_of
from orchestrator.kernel.training.kept_state.visit import objects_in
from orchestrator.kernel.training.kept_state.watching import watch

_SUBPROC = "stable_baselines3.common.vec_env.subproc_vec_env:SubprocVecEnv"
_NAME = "orchestrator_access"
_PREPARED: weakref.WeakSet[Any] = weakref.WeakSet()
_GENERATORS = ("python", "numpy")
_STEP_RESULTS = 5
"""Results of a step: observation, reward, end, information, and that of the newest reset."""


class ProcessesRule:
    """The environments of a `SubprocVecEnv`."""

    with_attributes = True

    def claims(self, value: Any) -> bool:
        """Whether it is one."""
        return any(class_name(kind) == _SUBPROC for kind in type(value).__mro__)

    def watch(self, value: Any) -> None:
        """Prepare the environment in each process."""
        if value not in _PREPARED:
            value.remotes = tuple(
                _Connection(remote, index, process)
                for index, (remote, process) in enumerate(zip(value.remotes, value.processes, strict=True))
            )
            value.set_attr(_NAME, ProcessAccess(added_rules()))
            _PREPARED.add(value)
            _ask(value, "watch", [None] * value.num_envs)

    def save(self, value: Any) -> Any:
        """The state of each environment.

        Raises:
            NotSaved: One cannot be saved.
        """
        self.watch(value)
        return {"environments": _ask(value, "save", [None] * value.num_envs), "reset_infos": value.reset_infos}

    def load(self, value: Any, state: Any) -> None:
        """Restore each environment.

        Raises:
            ValueError: There are more or fewer of them, or one does not fit.
        """
        count = len(state["environments"])
        if count != value.num_envs:
            raise ValueError(f"the checkpoint holds {count} environments, this training {value.num_envs}")
        self.watch(value)
        _ask(value, "load", state["environments"])
        for remote, info in zip(value.remotes, state["reset_infos"], strict=True):
            remote.reset_info = info


def is_in_processes(value: Any) -> bool:
    """Whether its environments are in processes of their own."""
    return isinstance(rule_of(value), ProcessesRule)


def check_processes(env: Any) -> list[Finding]:
    """Check the environment of the first process, in that process."""
    ((_, found),) = env.env_method(_NAME, "check", None, indices=[0])
    return [Finding(**found)]


def seed_processes(env: Any, seed: int) -> None:
    """Seed the generators of the spaces in each process that have no seed."""
    rule_of(env).watch(env)
    _ask(env, "seed", [seed + index for index in range(env.num_envs)])


def _ask(env: Any, command: str, payloads: list[Any]) -> list[Any]:
    answers = []
    for index, payload in enumerate(payloads):
        ((kind, answer),) = env.env_method(_NAME, command, payload, indices=[index])
        if kind != "done":
            raise (NotSaved if kind == "lost" else ValueError)(f"environment {index}: {answer}")
        answers.append(answer)
    return answers


class ProcessAccess(InProcess):
    """Captures and restores the environment of the process that calls it.

    Args:
        rules: The rules that the script has added.
    """

    def __init__(self, rules: tuple[Any, ...]) -> None:
        self._rules = rules
        self._at_start: dict[str, str] = {}

    def __call__(self, command: str, payload: Any) -> tuple[str, Any]:
        """Prepare the environment (`watch`), `seed` its spaces, `check` it, `save` (capture) or `load` (restore) it."""
        env = _environment()
        if command == "check":
            return "done", dataclasses.asdict(check_environment(env, time.monotonic))
        if command == "seed":
            seed_spaces(objects_in(env), payload)
            return "done", None
        if command == "watch":
            end_with_parent()
            for rule in reversed(self._rules):
                add_rule(rule)
            watch(env)
            self._at_start = {name: _digest(state) for name, state in _random().items()}
            return "done", None
        try:
            return self._save(env) if command == "save" else self._load(env, payload)
        except (ValueError, LookupError, TypeError, RuntimeError, AttributeError) as fault:
            return "failed", f"{type(fault).__name__}: {fault}"  # else the process would end, and the reason be lost

    def _save(self, env: Any) -> tuple[str, Any]:
        encoder = Encoder()
        used = {name: state for name, state in _random().items() if _digest(state) != self._at_start[name]}
        tree = {"env": encoder.part(env, type(env).__name__), "random": encoder.encode(used, "random")}
        if encoder.lost:
            return "lost", "; ".join(encoder.lost)
        return "done", [json.dumps(tree, allow_nan=False), encoder.buffers]

    def _load(self, env: Any, saved: Any) -> tuple[str, Any]:
        text, buffers = saved
        tree, decoder = read_json(text, depth=MAX_STATE_DEPTH, halves=True), Decoder(buffers)
        decoder.part(tree["env"], 0, env)
        restore_random({**capture_random(), **decoder.decode(tree["random"])})
        return "done", None


class _Connection:
    """The connection to one process, which names an end of that process.

    Attributes:
        reset_info: Information of the newest reset, restored; a process has it in a variable of its loop. None if the
            process has it.
    """

    def __init__(self, remote: Any, index: int, process: Any) -> None:
        self._remote, self._index, self._process = remote, index, process
        self.reset_info: Any = None

    def send(self, message: Any) -> None:
        self.reset_info = None if message[0] == "reset" else self.reset_info
        try:
            self._remote.send(message)
        except (BrokenPipeError, ConnectionResetError) as fault:
            raise self._ended() from fault

    def recv(self) -> Any:
        # Forked processes hold each other's pipes open, so the end of one gives no end of file.
        # The sentinel shows the end of a process before `is_alive` does.
        if wait([self._remote, self._process.sentinel]) == [self._process.sentinel] and not self._remote.poll():
            raise self._ended()
        try:
            received = self._remote.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as fault:
            raise self._ended() from fault
        if self.reset_info is None or not isinstance(received, tuple) or len(received) != _STEP_RESULTS:
            return received
        if received[2]:  # the episode has ended, so the process has reset its environment
            self.reset_info = None
            return received
        return (*received[:-1], self.reset_info)

    def _ended(self) -> RuntimeError:
        self._process.join(timeout=1)
        code = self._process.exitcode
        return RuntimeError(
            f"the process of environment {self._index} of SubprocVecEnv has ended with exit code {code}. Its own error "
            "is above, unless it was killed. The same command continues from the last checkpoint"
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)


def _environment() -> Any:
    """The environment that the worker function of the vector environment holds.

    Raises:
        RuntimeError: There is none.
    """
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_worker" and "env" in frame.f_locals:
            return frame.f_locals["env"]
        frame = frame.f_back
    raise RuntimeError("this is not a process of SubprocVecEnv")


def _random() -> dict[str, Any]:
    """The process's global generators; they are state only if something has used them since the start."""
    return {name: state for name, state in capture_random().items() if name in _GENERATORS}


def _digest(state: Any) -> str:
    encoder = Encoder()
    return node_digest(encoder.encode(state, "random"), encoder.buffers)


BUILT_IN.append(ProcessesRule())
