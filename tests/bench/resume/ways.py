"""Runs a training uncut and cut at half of its steps, in one way of resuming; reads the two policies."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from orchestrator.kernel.outcome import MORE_TO_DO
from orchestrator.kernel.training.cuts import STOP_AT
from tests.bench.peering import ENVIRONMENTS
from tests.bench.resume.trainings import SEED, TRAININGS, Training

PROGRAM = Path(__file__).with_name("session.py")
ROOT = Path(__file__).parents[3]
PATIENCE_S = 600.0
SHOWN_EPISODES = 10


@dataclass(frozen=True, kw_only=True)
class End:
    """How a training ended.

    Attributes:
        weights: Parameters of the policy, float64.
        digest: sha256 over their names and bytes.
        reward: Mean reward of the last episodes of the last session; None if none ended.
    """

    weights: np.ndarray
    digest: str
    reward: float | None


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to resume.

    Attributes:
        name: In the table.
        method: Of `session.py`, or `zoo`.
        environment: Of `.bench-peers`; None for this one.
    """

    name: str
    method: str
    environment: str | None = None

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return Path(sys.executable) if self.environment is None else ENVIRONMENTS / self.environment / "bin/python"

    @property
    def is_installed(self) -> bool:
        """Whether its environment is complete."""
        return self.environment is None or (ENVIRONMENTS / self.environment / ".ready").exists()

    def ends(self, name: str, folder: Path) -> tuple[End, End]:
        """Train uncut and cut; each training in a folder of its own."""
        training = TRAININGS[name]
        train = self._zoo if self.method == "zoo" else self._session
        half, found = training.steps // 2, []
        for kind, cuts in (("uncut", (0, training.steps)), ("cut", (0, half, training.steps))):
            place = folder / kind
            place.mkdir(parents=True)
            for begin, end in itertools.pairwise(cuts):
                train(name, place, begin, end)
            found.append(read_end(place))
        return found[0], found[1]

    def _session(self, name: str, place: Path, begin: int, end: int) -> None:
        stop = {STOP_AT: str(end)} if end < TRAININGS[name].steps else {}
        words = [str(self.python), str(PROGRAM), self.method, name, str(place), str(begin), str(end)]
        run(words, place, stop, codes=(0, MORE_TO_DO) if self.method == "ours" else (0,))

    def _zoo(self, name: str, place: Path, begin: int, end: int) -> None:
        """RL Zoo's own command line, with `-i` for the model of the session before."""
        training = TRAININGS[name]
        entry = place / "entry.yml"
        entry.write_text(yaml.safe_dump({training.env_id: training.zoo_entry()}), encoding="utf-8")
        algorithm = training.kind.__name__.lower()
        before = sorted((place / "logs" / algorithm).glob("*/"))
        resumed = ["-i", str(before[-1] / f"{training.env_id}.zip")] if begin else []
        options = {"--seed": SEED, "-n": end - begin, "--conf-file": entry, "-f": place / "logs", "--eval-freq": -1}
        options |= {"--num-threads": 1, "--device": "cpu", "--verbose": 0}
        given = [str(word) for pair in options.items() for word in pair]
        words = [str(self.python), "-m", "rl_zoo3.train", "--algo", algorithm, "--env", training.env_id, *given]
        run([*words, "--save-replay-buffer", *resumed], place, {}, codes=(0,))
        newest = sorted((place / "logs" / algorithm).glob("*/"))[-1]
        (place / "end.zip").write_bytes((newest / f"{training.env_id}.zip").read_bytes())
        (place / "reward.json").write_text(json.dumps(_monitored(newest)), encoding="utf-8")


def run(words: list[str], place: Path, variables: dict[str, str], *, codes: tuple[int, ...]) -> None:
    """Run a program to its end.

    Raises:
        RuntimeError: It failed; the end of its output is named.
    """
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT) if words[0] == sys.executable else "", **variables}
    done = subprocess.run(
        words, cwd=place, env={**os.environ, **own}, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode not in codes:
        raise RuntimeError(f"exit code {done.returncode}: {' '.join(done.stderr.split())[-400:]}")


def read_end(place: Path) -> End:
    """The final policy of a training, from the library's own model file; only its tensors are read."""
    with zipfile.ZipFile(place / "end.zip") as archive:
        tensors: dict[str, Any] = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    weights = np.concatenate([tensors[name].numpy().ravel().astype(np.float64) for name in sorted(tensors)])
    reward = json.loads((place / "reward.json").read_text(encoding="utf-8"))
    return End(weights=weights, digest=digest.hexdigest(), reward=reward)


def _monitored(folder: Path) -> float | None:
    """Mean reward of the last episodes in RL Zoo's monitor files."""
    rows = []
    for path in folder.glob("*.monitor.csv"):
        with path.open(encoding="utf-8") as stream:
            next(stream)
            rows += [(float(row["t"]), float(row["r"])) for row in csv.DictReader(stream)]
    rewards = [reward for _, reward in sorted(rows)[-SHOWN_EPISODES:]]
    return sum(rewards) / len(rewards) if rewards else None


def steps_of(training: Training) -> str:
    """Steps and cut, for people."""
    return f"{training.steps} steps, cut at {training.steps // 2}"
