"""The code blocks of docs/YOUR_OWN.md, run to the letter."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

import pytest
from stable_baselines3 import PPO

import orchestrator
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.own_script import checkpoint_bytes, model_parts, run_script, start_script
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

TEXT = (PROJECT_ROOT / "docs/YOUR_OWN.md").read_text(encoding="utf-8")
MODEL, PLAIN, NUMPY, FILES, PROGRAM, SECTION = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(SHELL,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
CARD, CAMPAIGN = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.partition("#")[0].split()[3:] for line in re.findall(r"^python -m orchestrator .*", TEXT, re.MULTILINE)
]


def _folder(tmp_path: Path, name: str, text: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "train.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "target"), [(PLAIN, 1000), (NUMPY, 300), (FILES, 12)], ids=["plain", "numpy", "files"]
)
def test_page_resumes_with_the_same_bytes(tmp_path: Path, text: str, target: int) -> None:
    straight, cut = _folder(tmp_path, "straight", text), _folder(tmp_path, "cut", text)
    whole = run_script(straight)
    assert (whole.returncode, run_script(straight).stdout) == (0, whole.stdout), whole.stderr
    for _ in range(3):
        ended = run_script(cut, variables={"ORCHESTRATOR_DEADLINE_S": 1e-6})
        assert ended.returncode == orchestrator.MORE_TO_DO, ended.stderr
    last = run_script(cut)
    assert (last.returncode, last.stdout) == (0, whole.stdout), last.stderr
    if text is not FILES:  # its global generators are not seeded
        assert checkpoint_bytes(cut, target) == checkpoint_bytes(straight, target)


def test_model_of_the_page_is_killed_stopped_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    straight, cut = _folder(tmp_path, "straight", MODEL), _folder(tmp_path, "cut", MODEL)
    shorter = {"ORCHESTRATOR_TARGET": 5000, "ORCHESTRATOR_SAVE_EVERY": 1}  # as it is, only shorter
    whole = run_script(straight, variables=shorter)
    assert whole.returncode == 0, whole.stderr
    killed = start_script(cut, variables=shorter)
    events = cut / ".orchestrator/alone/train/events.jsonl"
    ends_s = time.monotonic() + 60
    while not (events.exists() and '"kind":"saved"' in events.read_text()) and time.monotonic() < ends_s:
        time.sleep(0.02)
    killed.kill()
    killed.communicate(timeout=60)
    stopped = run_script(cut, variables={**shorter, "ORCHESTRATOR_DEADLINE_S": 1e-6})
    assert stopped.returncode == orchestrator.MORE_TO_DO, stopped.stderr
    assert run_script(cut, variables=shorter).returncode == 0
    assert model_parts(cut) == model_parts(straight)
    (final,) = cut.glob(".orchestrator/alone/train/train_final.zip")
    assert PPO.load(final).num_timesteps == 6144


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_program_in_another_language_is_stopped_and_continued(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "shell", PROGRAM)
    (folder / "train.sh").write_text(SHELL, encoding="utf-8")
    first = start_script(folder)
    events = folder / ".orchestrator/alone/train/events.jsonl"
    ends_s = time.monotonic() + 60
    while not (events.exists() and '"kind":"saved"' in events.read_text()) and time.monotonic() < ends_s:
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=60)
    assert first.returncode == orchestrator.MORE_TO_DO, err
    assert "Saved: " in err
    last = run_script(folder)
    assert last.returncode == 0 and "Loading checkpoint" in last.stderr, last.stderr
    assert checkpoint_bytes(folder, 6)
    (folder / "train.sh").write_text("exit 3\n", encoding="utf-8")
    assert run_script(folder).returncode == 0  # at its target the program is not started


def test_failing_program_is_a_failure(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "fails", PROGRAM)
    (folder / "train.sh").write_text("exit 3\n", encoding="utf-8")
    done = run_script(folder)
    assert done.returncode == 1 and "exit status 3" in done.stderr


def test_card_and_campaign_of_the_page_run_the_first_script(tmp_path: Path) -> None:
    root = make_script_project(tmp_path, PLAIN, CARD)
    (root / "configs/campaigns").mkdir()
    (root / "configs/campaigns/seeds.yaml").write_text(CAMPAIGN, encoding="utf-8")
    run, on_kaggle, campaign, report = COMMANDS
    answer = orchestrate(root, *run, "--json")
    assert (answer.code, answer.json["end_reason"], answer.json["steps_done"]) == (0, "finished", 100), answer.err
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        plan = orchestrate(root, *on_kaggle, "--dry-run", "--json", **loopback_variables())
    assert plan.code == 0 and plan.json["ticket"]["spec"]["target_steps"] == 1000, plan.err
    done = orchestrate(root, *campaign, "--every-s", "0.2", "--json")
    assert done.code == 0 and len(done.json["trials"]) == 4 and done.json["complete"], done.err
    assert orchestrate(root, *report).code == 0
    (root / "configs/sections/mine.yaml").write_text("".join(CARD.splitlines(keepends=True)[:2]), encoding="utf-8")
    assert orchestrate(root, "run", "mine", "--dry-run", "--fresh").code == 0  # only section and script are required


def test_section_of_the_page_runs_in_a_session(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    (root / "validation_ch7/section_7_6_rl_performance/entry.py").write_text(SECTION, encoding="utf-8")
    answer = orchestrate(root, "run", "section_7_6", "--quick", "--json").json
    assert (answer["end_reason"], answer["steps_done"]) == ("finished", 40)
