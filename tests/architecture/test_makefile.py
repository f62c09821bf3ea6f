"""Set-up by `make` is never silent: it says what it does, and then that it still runs. Every proof is named."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
PROOFS = sorted(re.findall(r"^(prove-[a-z]+):", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=cwd or MAKEFILE.parent, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("target", "n_steps"), [("run", 4), ("test", 3)])
def test_every_long_step_of_the_set_up_is_said_first(target: str, n_steps: int) -> None:
    planned = make("--dry-run", "VENV=/nowhere/venv", target).stdout
    steps = [line for line in planned.splitlines() if " -m pip " in line or " -m venv " in line or "-j 0" in line]
    assert len(steps) >= 3
    said = planned.count('echo "Making') + planned.count('echo "Installing') + planned.count('echo "Compiling')
    assert said == n_steps and planned.count("still running after") >= 3


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


def test_help_shows_every_proof_with_its_time() -> None:
    shown = make("help").stdout
    assert len(PROOFS) >= 10
    for target in PROOFS:
        (line,) = (line for line in shown.splitlines() if line.startswith(f"make {target} "))
        assert re.search(r"\([^()]*(minute|hour)[^()]*\)$", line), line


def test_prove_runs_every_proof_or_says_that_it_does_not() -> None:
    planned, run = make("--dry-run", "VENV=/nowhere/venv", "prove").stdout, _commands("prove")
    for target in PROOFS:
        commands = _commands(target)
        assert commands
        assert f"make {target}" in planned or all(words in run for words in commands), target


@pytest.mark.parametrize("target", PROOFS)
def test_what_a_proof_runs_is_there(target: str) -> None:
    root = MAKEFILE.parent
    for words in _commands(target):
        module = words[words.index("-m") + 1]
        if module.startswith(("tests.", "validation_ch7.")):
            place = root / module.replace(".", "/")
            assert (place / "__main__.py").is_file() or place.with_suffix(".py").is_file(), module
        else:
            assert module in ("pytest", "orchestrator")
        for path in (word.removeprefix("--ignore=") for word in words):
            assert not path.startswith("tests/") or (root / path).exists(), path


def _commands(target: str) -> list[list[str]]:
    """The commands in Python of a target's own recipe, each as its words after the interpreter."""
    text = make("--dry-run", "VENV=/nowhere/venv", "RAY=/nowhere/ray", target).stdout.replace("\\\n", " ")
    lines = (shlex.split(line, comments=True) for line in text.splitlines() if re.search(r"/python -m \S", line))
    found = []
    for words in lines:
        (python, *_) = (place for place, word in enumerate(words) if word.endswith("/bin/python"))
        if words[python + 2] not in ("pip", "compileall"):
            found.append(words[python + 1 :])
    return found
