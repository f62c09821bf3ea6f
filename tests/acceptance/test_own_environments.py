"""Scripts of users with environments and objects: cut and killed, they end with the bytes of the straight run."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

import orchestrator
from tests.conftest import PROJECT_ROOT
from tests.doubles.own_script import checkpoint_bytes, run_script

SCRIPTS = PROJECT_ROOT / "tests/fixtures/own_scripts"
CUT = """
        import os, signal
        if os.environ.get("CUT", "").split()[1:] == [str(step)]:
            os.kill(os.getpid(), getattr(signal, os.environ["CUT"].split()[0]))
"""


def _folder(tmp_path: Path, name: str, script: str) -> Path:
    """A folder with the script, which ends where `CUT` says; apart from that it is the user's."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "train.py").write_text((SCRIPTS / script).read_text(encoding="utf-8") + CUT, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("script", "steps", "cuts", "save_every"),
    [
        pytest.param("ppo.py", 1024, ["SIGTERM 128", "SIGKILL 640", "SIGTERM 768"], 256, marks=pytest.mark.prove),
        ("objects.py", 30, ["SIGTERM 5", "SIGKILL 14", "SIGKILL 25"], 4),
    ],
)
def test_cut_training_ends_with_the_bytes_of_the_straight_one(
    tmp_path: Path, script: str, steps: int, cuts: list[str], save_every: int
) -> None:
    straight, cut = _folder(tmp_path, "straight", script), _folder(tmp_path, "cut", script)
    cadence = {"ORCHESTRATOR_SAVE_EVERY": save_every}
    done = run_script(straight, variables=cadence)
    assert done.returncode == 0, done.stderr
    for one in cuts:
        ended = run_script(cut, variables={**cadence, "CUT": one})
        assert ended.returncode == (orchestrator.MORE_TO_DO if "TERM" in one else -signal.SIGKILL), ended.stderr
    last = run_script(cut, variables=cadence)
    assert last.returncode == 0, last.stderr
    assert checkpoint_bytes(cut, steps) == checkpoint_bytes(straight, steps)
    events = (cut / ".orchestrator/alone/train/events.jsonl").read_text(encoding="utf-8")
    assert "Resume is" not in events and "Not kept" not in events and "has not changed" not in events


def test_script_of_a_user_needs_few_lines_for_it() -> None:
    lines = (SCRIPTS / "ppo.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 105
    assert sum(bool(re.search(r"\b(orchestrator|run|state)\b", line)) for line in lines) == 9
