"""Set-up by `make` is never silent: it says what it does, and then that it still runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=cwd or MAKEFILE.parent, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("target", ["run", "test"])
def test_every_long_step_of_the_set_up_is_said_first(target: str) -> None:
    planned = make("--dry-run", "VENV=/nowhere/venv", target).stdout
    steps = [line for line in planned.splitlines() if " -m pip " in line or " -m venv " in line or "-j 0" in line]
    assert len(steps) >= 3
    said = planned.count('echo "Making') + planned.count('echo "Installing') + planned.count('echo "Compiling')
    assert said == 3 and planned.count("still running after") >= 3


def test_the_report_of_the_campaign_of_the_results_is_made_by_one_command() -> None:
    planned = make("--dry-run", "VENV=/nowhere/venv", "report-local").stdout
    commands = [line.partition(" -m ")[2] for line in planned.splitlines() if " campaign " in line]
    assert commands == ["orchestrator campaign run local_7_6", "orchestrator campaign report local_7_6"]
    root = MAKEFILE.parent
    assert (root / "configs" / "campaigns" / "local_7_6.yaml").is_file()
    assert "make report-local" in (root / "README.md").read_text(encoding="utf-8")


def test_quiet_step_is_heard_while_it_runs_and_its_failure_counts(tmp_path: Path) -> None:
    rule = "once:\n\t$(call patiently,Installing,sleep 1.2; exit 7)\n"
    (tmp_path / "Makefile").write_text(f"include {MAKEFILE}\n{rule}", encoding="utf-8")
    answer = make("once", "BEAT_S=1", cwd=tmp_path)
    assert answer.stdout.splitlines() == ["Installing", "  still running after 1 s"]
    assert answer.returncode == 2 and "Error 7" in answer.stderr
