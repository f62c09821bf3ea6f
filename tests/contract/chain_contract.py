"""What every engine must do with a long training: a wall cuts it, the engine's daemon is killed, no byte differs.

An engine joins with a subclass and a fixture `engine`; it overrides no test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from tests.doubles.commands import orchestrate
from tests.doubles.long_trainings import CARTPOLE, SECTION_7_6, LongTraining
from tests.doubles.session_walls import put_wall

_PATIENCE_S = 900.0
"""For the middle of the second session, on a busy computer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A backend, and how its daemon is killed.

    Attributes:
        name: Of the backend.
        kill_daemon: Kills it in the middle of the second session, and brings it back where it can be started again.
            Its arguments are the project and the steps of the newest checkpoint of that session.
        session_survives: Whether that session goes on without the daemon.
        card: What the card says of the engine.
    """

    name: str
    kill_daemon: Callable[[Path, int], None]
    session_survives: bool
    card: Mapping[str, Any] = field(default_factory=dict)


class ChainContract:
    """Each training in its sessions on the engine, beside the same training in one session on this computer."""

    @pytest.mark.prove
    @pytest.mark.timeout(1800)
    @pytest.mark.parametrize("training", [CARTPOLE, SECTION_7_6], ids=lambda training: training.section)
    def test_cuts_and_a_killed_daemon_change_no_byte(
        self,
        engine: Engine,
        training: LongTraining,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        far, gate = training.project(tmp_path / "far", engine.card), tmp_path / "gate"
        put_wall(far / training.code, training.looks, gate=gate, middle=training.middle)
        monkeypatch.setenv("ORCHESTRATOR_ROOT", str(far))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")  # on a busy computer threads mostly wait for each other

        def kill() -> None:
            engine.kill_daemon(far, training.saved_steps)
            gate.touch()

        with _in_the_middle(gate, kill):
            code = main(["run", training.section, "--quick", "--backend", engine.name, "--json"])
        captured = capfd.readouterr()
        assert code in (0, 1), captured.err[-4000:]  # 1: the verdict about a training as short as this one
        summary = json.loads(captured.out.splitlines()[-1])
        sessions = _manifests(far)
        shown = [
            (one["stamp"]["session"], one["steps_start"], one["steps_done"], one["end_reason"]) for one in sessions
        ]
        print(f"{engine.name}, {training.section}: {shown}")
        assert summary["steps_done"] == training.target_steps
        assert [end for *_, end in shown] == ["paused"] * (len(shown) - 1) + ["finished"]
        numbers = [number for number, *_ in shown]
        assert len(shown) >= 3
        if engine.session_survives:
            assert numbers == [*range(1, len(shown) + 1)]
            assert [start for _, start, *_ in shown] == [0, *(done for _, _, done, _ in shown[:-1])]
        else:
            assert numbers == [1, *range(3, len(shown) + 2)]
            assert [start for _, start, *_ in shown] == [
                0,
                training.saved_steps,
                *(done for _, _, done, _ in shown[1:-1]),
            ]
        near = training.project(tmp_path / "near", {})
        answer = orchestrate(near, "run", training.section, "--quick", "--json", "--backend", "local", timeout_s=1200.0)
        assert (answer.code, answer.json["sessions"]) == (code, 1), answer.err
        assert answer.json["verdict"] == summary["verdict"]
        for name in training.final:
            ends = [(root / training.models / name).read_bytes() for root in (far, near)]
            assert ends[0] == ends[1], name


@contextmanager
def _in_the_middle(gate: Path, act: Callable[[], None]) -> Iterator[None]:
    """Act when the second session waits at the gate, beside the command of a test; a failure is the test's."""
    over = threading.Event()

    def wait_and_act() -> None:
        waits, left = gate.with_name("waits"), _PATIENCE_S / 0.1
        while not waits.exists():
            left -= 1
            assert left > 0 and not over.wait(0.1), "the second session never came to its middle"
        act()

    with ThreadPoolExecutor(1) as other:
        done = other.submit(wait_and_act)
        try:
            yield
        finally:
            over.set()
        done.result()


def _manifests(root: Path) -> list[dict[str, Any]]:
    """The manifests of the fetched sessions, in order."""
    paths = sorted((root / "validation_output/results").glob("*/session_manifest.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]
