"""SUMO in a process of its own, with the Python of its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ENVIRONMENT = Path(__file__).parents[2] / ".bench-peers" / "libsumo"
_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is on the roads after a step.

    Attributes:
        vehicles: Position in m and speed in m/s of each vehicle, for each of the eight lanes.
        waiting: Vehicles that wait to enter each of the four approaches.
    """

    vehicles: tuple[tuple[tuple[float, float], ...], ...]
    waiting: tuple[int, ...]


class Roads(Protocol):
    """A running simulation of the crossing by another simulator."""

    def step(self, lights: Sequence[str | None], every: int) -> list[Snapshot]:
        """Advance one step under each of these lights, with a snapshot after each `every` steps.

        Args:
            lights: One letter per movement; None leaves the signal to its own programme.
            every: Number of steps; it divides the number of lights.
        """
        ...


class SumoFailed(RuntimeError):
    """SUMO ended with an error; the text has SUMO's own lines about it and the last one."""


class SumoProcess:
    """One simulation after another in one process; use it in a `with` block.

    Raises:
        SumoFailed: SUMO cannot be started, or ended with an error.
    """

    def __init__(self, environment: Path = ENVIRONMENT) -> None:
        python = environment / "bin" / "python"
        if not python.exists():
            raise SumoFailed(f"SUMO is not installed in {environment}. Install it and run the proof: make prove-sumo")
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._process = subprocess.Popen(
            [python, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=kept,
        )

    def __enter__(self) -> SumoProcess:
        return self

    def __exit__(self, *fault: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)
        self._errors.close()

    def start(self, arguments: Sequence[str], *, law: Mapping[str, float] | None = None) -> None:
        """Start a simulation with arguments of the program `sumo`, and the numbers of a speed law."""
        self._ask({"start": list(arguments), "law": law})

    def step(self, lights: Sequence[str | None], every: int) -> list[Snapshot]:
        """Advance one step under each of these lights, with a snapshot after each `every` steps."""
        return [_snapshot(one) for one in self._ask({"lights": list(lights), "every": every})["snapshots"]]

    def close(self) -> None:
        """End the simulation; afterwards its outputs are complete."""
        self._ask({"close": True})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait(timeout=30)
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            stated = [line for line in lines[:-1] if line.startswith("Error")]
            raise SumoFailed("SUMO ended with an error. " + " ".join([*stated, *lines[-1:]]))
        answer: dict[str, Any] = json.loads(line)
        return answer


def _snapshot(answer: Mapping[str, Any]) -> Snapshot:
    lanes = tuple(tuple((position, speed) for position, speed in lane) for lane in answer["vehicles"])
    return Snapshot(vehicles=lanes, waiting=tuple(answer["waiting"]))
