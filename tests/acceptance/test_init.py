"""From a wheel and an empty folder to a trained project: `init`, `run`, a campaign, a report; here and on Kaggle.

The environment has none of numpy, torch and stable-baselines3: the base install is enough for a plain script.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT_ROOT
from tests.doubles.installed_wheel import Installed, build, copied_sources, install
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.emulator.loopback import loopback_kaggle

LEARNING = ("numpy", "torch", "stable_baselines3", "sb3_contrib", "gymnasium", "numba")
FILES = {
    "train.py",
    "README.md",
    "requirements.txt",
    ".gitignore",
    ".github/workflows/train.yml",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("bare")
    wheel = build(copied_sources(root / "sources"), root / "wheel")
    return install(wheel, root / "venv", without=LEARNING)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refused(bare: Installed, cwd: Path, *words: str) -> str:
    """Error and remedy of a refused `init`, which must write nothing."""
    before = _files(cwd)
    answer = bare.orchestrate(cwd, "init", *words, "--json")
    assert (answer.code, answer.json["exit_code"]) == (2, 2), answer
    assert _files(cwd) == before
    return f"{answer.json['error']}\n{answer.json['remedy']}"


def test_a_new_project_runs_continues_and_reports(bare: Installed, tmp_path: Path) -> None:
    made = bare.orchestrate(tmp_path, "init", "Été 1", "--json")
    assert made.code == 0, made.err
    assert made.json["section"] == "ete_1" and made.json["kept"] == []
    project = tmp_path / "Été 1"
    cards = {"configs/sections/ete_1.yaml", "configs/campaigns/ete_1.yaml"}
    assert set(_files(project)) == set(made.json["written"]) == FILES | cards
    assert made.json["next"][0] == 'cd "Été 1"'
    first = bare.orchestrate(project, "run", "ete_1", "--quick", "--target-steps", "9000", "--json")
    assert (first.code, first.json["steps_done"]) == (0, 9000), first.err
    second = bare.orchestrate(project, "run", "ete_1", "--quick", "--json", module=True)
    assert (second.code, second.json["steps_start"], second.json["resume_grade"]) == (0, 9000, "exact"), second.err
    third = bare.orchestrate(project, "run", "ete_1", "--quick")
    assert third.code == 0 and "Already at the target: 20000 steps done" in third.out
    campaign = bare.orchestrate(project, "campaign", "run", "ete_1")
    assert campaign.code == 0 and "ete_1: 2 done" in campaign.out, campaign.err
    for command in (("report", "ete_1"), ("campaign", "report", "ete_1")):
        report = bare.orchestrate(project, *command)
        assert report.code == 0 and "n = 2" in report.out, report.err
    assert "ete_1  Été 1" in bare.orchestrate(project, "sections").out
    verified = bare.orchestrate(project, "verify")
    assert verified.code == 0 and "VERIFIED" in verified.out, verified.out


def test_the_workflow_keeps_the_rules_of_the_shipped_one(bare: Installed, tmp_path: Path) -> None:
    bare.orchestrate(tmp_path, "init", ".", "--section", "mine")
    mine, shipped = (
        yaml.safe_load((root / path).read_text("utf-8"))
        for root, path in ((tmp_path, ".github/workflows/train.yml"), (PROJECT_ROOT, ".github/workflows/campaign.yml"))
    )
    assert mine["env"]["STATE"] == shipped["env"]["STATE"] and mine[True] == {
        **shipped[True],
        "workflow_dispatch": None,
    }
    for key in ("permissions", "concurrency"):
        assert mine[key] == shipped[key]
    for key in ("if", "runs-on", "timeout-minutes", "environment"):
        assert mine["jobs"]["tick"][key] == shipped["jobs"]["tick"][key]
    steps = {one.get("uses", one.get("run", "")).partition(" --json")[0]: one for one in mine["jobs"]["tick"]["steps"]}
    actions = {
        one.partition("@")[0]: one for one in (step.get("uses", "") for step in shipped["jobs"]["tick"]["steps"])
    }
    restored, saved = actions["actions/cache/restore"], actions["actions/cache/save"]  # with their commits
    names = list(steps)
    tick = "orchestrator campaign tick mine --backend kaggle --recover-missing"
    assert names.index(restored) < names.index(tick) < names.index(saved)
    assert not any("if" in steps[name] or "continue-on-error" in steps[name] for name in names[:-1])
    restore, save = steps[restored]["with"], steps[saved]["with"]
    assert save["key"] == restore["key"] and "run_attempt" in save["key"] and "campaign-mine-" in save["key"]
    (install,) = [name for name in names if "pip install" in name]
    assert install.endswith("wheels/*.whl")  # this wheel came from a folder of this computer


def test_a_new_project_runs_on_kaggle(bare: Installed, tmp_path: Path) -> None:
    bare.orchestrate(tmp_path, "init", ".", "--section", "far")
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        words = ("run", "far", "--quick", "--backend", "kaggle", "--json")
        answer = bare.orchestrate(tmp_path, *words, **loopback_variables())
        assert (answer.code, answer.json["steps_done"]) == (0, 20_000), answer.err
        (push,) = [entry.request for entry in kaggle.journal.of("SaveKernel")]
        assert push["slug"].startswith("ana/arz-validation-far-") and push["enableGpu"] is False
        longer = bare.orchestrate(tmp_path, *words, "--add-steps", "500", **loopback_variables())
        assert (longer.json["steps_start"], longer.json["resume_grade"]) == (20_000, "exact"), longer.err
        tick = ("campaign", "tick", "far", "--backend", "kaggle", "--recover-missing", "--json")
        ticked = bare.orchestrate(tmp_path, *tick, **loopback_variables())
        assert ticked.code == 0, ticked.err
        assert kaggle.kernels.runs == 3  # the second seed is in flight


def test_files_of_the_user_stay(bare: Installed, tmp_path: Path) -> None:
    own = {"README.md": "mine", ".gitignore": "data/\n.env*\n", "requirements.txt": "numpy>=2\n", "notes.txt": "n"}
    for name, text in own.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    made = bare.orchestrate(tmp_path, "init", ".", "--section", "mine")
    assert made.code == 0, made.err
    assert "kept your README.md" in made.out and "Add to your .gitignore: .orchestrator/" in made.out
    assert ".env*" not in made.out and "requirements.txt, line 1 reads 'numpy>=2'" in made.out
    assert {name: (tmp_path / name).read_text("utf-8") for name in own} == own
    again = bare.orchestrate(tmp_path, "init", ".", "--section", "mine", "--json")
    assert (again.code, again.json["written"]) == (0, [])  # the same command completes what a kill left


@pytest.mark.parametrize(
    "name", ["a\nb [[ 1 ]] ${{ x }} {% y %}", "'\"#: &*!|>%@`", "x" * 200, "日本", "😀 oui", "-dash"]
)
def test_any_name_of_a_folder_gives_a_project(bare: Installed, tmp_path: Path, name: str) -> None:
    made = bare.orchestrate(tmp_path, "init", "--json", "--", name)
    assert made.code == 0, made.err
    shown = bare.orchestrate(tmp_path / name, "sections", "--json")
    (row,) = shown.json["sections"]
    assert (row["section"], row.get("problem")) == (made.json["section"], None)
    assert yaml.safe_load((tmp_path / name / ".github/workflows/train.yml").read_text("utf-8"))["name"] == "train"


def test_what_would_replace_a_file_is_refused_and_nothing_is_written(bare: Installed, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('mine')\n", encoding="utf-8")
    text = _refused(bare, tmp_path, ".")
    assert "train.py exists already" in text and "--script train.py" in text
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "is no folder" in _refused(bare, tmp_path, "file")
    assert "file exists" in _refused(bare, tmp_path, "file/project")
    assert "File name too long" in _refused(bare, tmp_path, "x" * 300)
    (tmp_path / "taken/configs/sections").mkdir(parents=True)
    (tmp_path / "taken/configs/sections/taken.yaml").write_text("section: taken\n", encoding="utf-8")
    text = _refused(bare, tmp_path, "taken")
    assert "configs/sections/taken.yaml exists already" in text and "--section" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--algorithm", "PPPO"], "Did you mean PPO?"),
        (["--algorithm", "REINFORCE"], "Known: A2C, "),
        (["--env", "CartPole-v1", "--algorithm", "SAC"], "SAC takes continuous actions only"),
        (["--env", "Pendulum-v1", "--algorithm", "DQN"], "--algorithm PPO"),
        (["--env", "no id"], "CartPole-v1"),
        (["--env", 'a"; import os'], "CartPole-v1"),
        (["--env", "CartPole-v1", "--script", "train.py"], "--script cannot be combined"),
        (["--script", "absent.py"], "absent.py cannot be read"),
        (["--section", "section_7_6"], "for example my_section_7_6"),
        (["--section", "Mon projet"], "for example mon_projet"),
    ],
)
def test_wrong_options_are_refused_with_the_nearest_right_one(
    bare: Installed, tmp_path: Path, words: list[str], expected: str
) -> None:
    assert expected in _refused(bare, tmp_path, "new", *words)


def test_a_script_is_copied_and_missing_lines_are_named(bare: Installed, tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text("import numpy, model\nprint(numpy.zeros(3))\n", encoding="utf-8")
    (tmp_path / "model.py").write_text("", encoding="utf-8")
    made = bare.orchestrate(tmp_path, "init", "new", "--script", "loop.py")
    assert made.code == 0, made.err
    assert "loop.py does not call orchestrator.session() yet" in made.out
    assert "with orchestrator.session(target=1000, seed=3) as run:" in made.out
    assert "Set target_steps in both profiles of configs/sections/new.yaml" in made.out
    assert "imports model.py from its old folder" in made.out
    assert (tmp_path / "new/loop.py").read_bytes() == (tmp_path / "loop.py").read_bytes()
    assert not (tmp_path / "new/train.py").exists()
    card = yaml.safe_load((tmp_path / "new/configs/sections/new.yaml").read_text("utf-8"))
    assert card["script"] == "loop.py" and "target_steps" not in card["profiles"]["quick"]
    (tmp_path / "new/loop.py").write_text("changed", encoding="utf-8")
    assert "loop.py exists already" in _refused(bare, tmp_path, "new", "--script", "loop.py")


def test_a_script_in_a_subfolder_stays_where_it_is(bare: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "mon projet/code"
    folder.mkdir(parents=True)
    text = (
        "import orchestrator\nfrom part import grow\nwith orchestrator.session(target=50) as run:\n"
        "    state = run.keep(total=0)\n    for step in run.steps():\n        state.total = grow(state.total)\n"
    )
    (folder / "entraîne.py").write_text(text, encoding="utf-8")
    (folder / "part.py").write_text("def grow(total):\n    return total + 1\n", encoding="utf-8")
    made = bare.orchestrate(tmp_path, "init", "mon projet", "--script", "mon projet/code/entraîne.py", "--json")
    assert made.code == 0, made.err
    assert (made.json["script"], made.json["add_to_script"]) == ("code/entraîne.py", [])
    assert "code/requirements.txt" in made.json["written"]
    ran = bare.orchestrate(tmp_path / "mon projet", "run", "mon_projet", "--json")
    assert (ran.code, ran.json["steps_done"]) == (0, 50), ran.err


def test_missing_libraries_are_named_with_the_pip_command(bare: Installed, tmp_path: Path) -> None:
    made = bare.orchestrate(
        tmp_path, "init", ".", "--env", "my_envs:Grid-v0", "--algorithm", "dqn", "--section", "grid"
    )
    assert made.code == 0, made.err
    assert "from stable_baselines3 import DQN" in (tmp_path / "train.py").read_text("utf-8")
    assert "import my_envs" in (tmp_path / "train.py").read_text("utf-8")
    pins = (tmp_path / "requirements.txt").read_text("utf-8")
    assert "gymnasium==" in pins and "stable-baselines3==" in pins
    ran = bare.orchestrate(tmp_path, "run", "grid", "--quick", "--json")
    assert ran.code == 2 and "grid imports gymnasium, stable_baselines3, which" in ran.json["error"]
    assert "python -m pip install gymnasium stable-baselines3" in ran.json["remedy"]
    shipped = bare.orchestrate(tmp_path.parent, "run", "section_7_6", "--quick", "--json")
    assert shipped.code == 2 and "python -m pip install gymnasium" in shipped.json["remedy"]
    (tmp_path / "train.py").write_text("def late():\n    import numpy\nlate()\n", encoding="utf-8")
    late = bare.orchestrate(tmp_path, "run", "grid", "--quick")
    assert late.code == 1 and "python -m pip install numpy" in late.out


def test_variable_that_names_another_project_is_pointed_out(bare: Installed, tmp_path: Path) -> None:
    made = bare.orchestrate(tmp_path, "init", "new", ORCHESTRATOR_ROOT=str(tmp_path))
    assert made.code == 0 and "unset it" in made.out


def test_json_is_one_line_of_ascii(bare: Installed, tmp_path: Path) -> None:
    made = bare.orchestrate(tmp_path, "init", "été", "--json")
    (line,) = made.out.splitlines()
    assert line.isascii() and json.loads(line)["folder"] == (tmp_path / "été").as_posix()
