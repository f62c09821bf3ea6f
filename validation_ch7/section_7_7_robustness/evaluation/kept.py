"""Keeps every evaluation in the section's checkpoint, so that a session that was cut loses at most one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.kernel.environment.processor import describe_machine
from orchestrator.kernel.training.run import Run
from orchestrator.kernel.wire import digest_of
from validation_ch7.section_7_7_robustness.evaluation.hours import MEASURES, Hours
from validation_ch7.traffic.model.arz import Floats

_ROOT = Path(__file__).parents[2]
_COMPUTING = (
    "traffic",
    "section_7_6_rl_performance/controllers",
    "section_7_6_rl_performance/evaluation",
    "section_7_7_robustness/conditions",
    "section_7_7_robustness/evaluation",
)
_LIBRARIES = ("numpy", "numba", "torch", "stable-baselines3", "sb3-contrib")


class KeptEvaluations:
    """Evaluations by the digest of everything that they depend on.

    Args:
        run: The section's run; a step of it is one evaluation, or the tuning of one controller.

    Attributes:
        tunings: Tuning results, as section 7.6 keeps them.
        n_measured: Evaluations of this session.
        n_found: Evaluations taken from the checkpoint.
    """

    def __init__(self, run: Run) -> None:
        state = run.keep(kept={"evaluations": {}, "tunings": {}}).kept
        self._run = run
        self._evaluations: dict[str, Floats] = state["evaluations"]
        self.tunings: dict[str, Any] = state["tunings"]
        self._step = run.start
        self.n_measured = self.n_found = 0

    def find(self, what: Mapping[str, Any], n_hours: int) -> Hours | None:
        """The evaluation that depends on this, None without one."""
        found = self._evaluations.get(_key(what))
        if found is None or np.shape(found) != (len(MEASURES), n_hours):
            return None
        self.n_found += 1
        return Hours.from_array(np.asarray(found))

    def add(self, what: Mapping[str, Any], hours: Hours) -> None:
        """Keep an evaluation of this session, and count it."""
        self._evaluations[_key(what)] = hours.to_array()
        self.n_measured += 1
        self.count()

    def count(self) -> None:
        """Count a step, which is an evaluation or a tuning; saves if the last save was long ago."""
        self._step += 1
        self._run.step = self._step
        if self._run.save_is_due:
            self.save()

    def save(self) -> None:
        """Save all evaluations so far; without a new one nothing is written."""
        if self._step > self._run.saved_steps:
            self._run.save(self._step)


def _key(what: Mapping[str, Any]) -> str:
    return digest_of({"what": dict(what), "code": _code_digest(), "runtime": _runtime()})


@cache
def _code_digest() -> str:
    """Digest over names and bytes of the code that computes the evaluations."""
    folders = [_ROOT / name for name in _COMPUTING]
    files = sorted(path for folder in folders for ending in ("py", "yaml") for path in folder.rglob(f"*.{ending}"))
    return digest_of(
        [[path.relative_to(_ROOT).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    )


@cache
def _runtime() -> dict[str, Any]:
    """Libraries and machine: another processor may round a sum otherwise."""
    return {"libraries": {name: version(name) for name in _LIBRARIES}, "machine": describe_machine()}
