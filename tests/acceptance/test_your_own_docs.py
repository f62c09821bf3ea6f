"""The code blocks of docs/YOUR_OWN.md, run to the letter."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from stable_baselines3 import PPO

import orchestrator
from orchestrator.stores.section.card_yaml import parse_card
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.own_script import checkpoint_bytes, model_parts, run_script, start_script
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

TEXT = (PROJECT_ROOT / "docs/YOUR_OWN.md").read_text(encoding="utf-8")
MODEL, PLAIN, NUMPY, RULE, FILES, PROGRAM, SECTION = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(SHELL,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
CARD, ALGORITHMS, CAMPAIGN = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
PROOF, DIFFERENCE = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line.partition("#")[0].split()[1:] for line in re.findall(r"^orchestrator .*", TEXT, re.MULTILINE)]
PROVE, INIT, PROVE_AGAIN, RUN, ON_KAGGLE, CAMPAIGN_RUN, REPORT = COMMANDS
INITS = [words.split()[1:] for words in re.findall(r"^\| `(orchestrator init .*?)` \|", TEXT, re.MULTILINE)]


def _folder(tmp_path: Path, name: str, text: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "train.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "target"),
    [(PLAIN, 1000), (NUMPY, 300), (RULE, 60), (FILES, 12)],
    ids=["plain", "numpy", "rule", "files"],
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


@pytest.mark.prove
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


def test_commands_to_begin_train_prove_and_make_a_project(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "Été 1", NUMPY)
    assert run_script(folder).returncode == 0
    assert PROVE == PROVE_AGAIN
    proved = orchestrate(folder, *PROVE)
    assert proved.code == 0, proved.err
    assert _without_seconds(proved.out).startswith(_without_seconds(PROOF))
    made = orchestrate(folder, *INIT, "--json")
    assert (made.code, made.json["section"], made.json["add_to_script"]) == (0, "ete_1", []), made.err


NOT_KEPT = """import random

import orchestrator
dice = random.Random(5)
with orchestrator.session(target=60, seed=3) as run:
    state = run.keep(total=0.0)
    for step in run.steps():
        state.total += dice.gauss(0, 1)
"""


def test_difference_of_the_page_is_shown_so(tmp_path: Path) -> None:
    proved = orchestrate(_folder(tmp_path, "differs", NOT_KEPT), "prove", "train.py", "--at", "17")
    assert proved.code == 1 and proved.out.endswith(DIFFERENCE), proved


def test_algorithms_of_the_page_are_a_card() -> None:
    sizes = "{target_steps: 1, checkpoint_every_steps: 1, evaluate_every_steps: 1, evaluation_scenarios: 1}"
    profiles = f"profiles:\n  quick: {sizes}\n  full: {sizes}\n"
    card = parse_card(f"section: mine\nentry_point: mine.entry\n{ALGORITHMS}{profiles}", "mine.yaml")
    assert card.hyper_parameters is not None and card.hyper_parameters.rollout_steps == 2048


@pytest.mark.parametrize("words", INITS, ids=" ".join)
def test_each_init_of_the_page_writes_a_project(tmp_path: Path, words: list[str]) -> None:
    folder = _folder(tmp_path, "here", NUMPY)
    shutil.copy(PROJECT_ROOT / "tests/fixtures/rl_zoo/ppo.yml", folder)
    made = orchestrate(folder, *words, "--json")
    assert (made.code, made.json["section"]) == (0, "dir"), made.err
    assert orchestrate(folder / "DIR", "run", "dir", "--quick", "--dry-run").code == 0


def test_readme_shows_lines_of_the_page() -> None:
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert set(lines.splitlines()) <= set(MODEL.splitlines())
    commands = [line.partition("#")[0].split()[1:] for line in re.findall(r"^orchestrator .*", text, re.MULTILINE)]
    assert commands == [INIT, PROVE]
    assert (text.index("make test") < text.index("docs/YOUR_OWN.md")) and text.index("docs/YOUR_OWN.fr.md") < 600


def test_french_page_has_the_same_code_headings_and_tables() -> None:
    french = (PROJECT_ROOT / "docs/YOUR_OWN.fr.md").read_text(encoding="utf-8")
    for shape in (r"```.*?```", r"^(?:#+ |\|---)", r"^(?=\| |\* )", r"^(\| `[^|]*`) \|"):
        assert re.findall(shape, french, re.DOTALL | re.MULTILINE) == re.findall(shape, TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/YOUR_OWN.md",
        "docs/YOUR_OWN.fr.md",
        "docs/CHECKPOINT_QUICKSTART.md",
        "docs/CHECKPOINT_SYSTEM.md",
    ],
)
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    path = PROJECT_ROOT / page
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def _without_seconds(text: str) -> str:
    return re.sub(r"\b\d+ s\b", "N s", text)


def test_card_and_campaign_of_the_page_run_the_first_script(tmp_path: Path) -> None:
    root = make_script_project(tmp_path, PLAIN, CARD)
    (root / "configs/campaigns").mkdir()
    (root / "configs/campaigns/seeds.yaml").write_text(CAMPAIGN, encoding="utf-8")
    answer = orchestrate(root, *RUN, "--json")
    assert (answer.code, answer.json["end_reason"], answer.json["steps_done"]) == (0, "finished", 100), answer.err
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        plan = orchestrate(root, *ON_KAGGLE, "--dry-run", "--json", **loopback_variables())
    assert plan.code == 0 and plan.json["ticket"]["spec"]["target_steps"] == 1000, plan.err
    done = orchestrate(root, *CAMPAIGN_RUN, "--every-s", "0.2", "--json")
    assert done.code == 0 and len(done.json["trials"]) == 4 and done.json["complete"], done.err
    assert orchestrate(root, *REPORT).code == 0
    (root / "configs/sections/mine.yaml").write_text("".join(CARD.splitlines(keepends=True)[:2]), encoding="utf-8")
    assert orchestrate(root, "run", "mine", "--dry-run", "--fresh").code == 0  # only section and script are required


def test_section_of_the_page_runs_in_a_session(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    (root / "validation_ch7/section_7_6_rl_performance/entry.py").write_text(SECTION, encoding="utf-8")
    answer = orchestrate(root, "run", "section_7_6", "--quick", "--json").json
    assert (answer["end_reason"], answer["steps_done"]) == ("finished", 40)
