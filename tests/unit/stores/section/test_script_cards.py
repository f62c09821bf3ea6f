"""Cards with `script:`, and cards that leave out what a section decides itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.kaggle import MAX_SESSION_S
from orchestrator.stores.section.card_yaml import load_card, parse_card

LEARNING = """\
section: mine
entry_point: mine.train
algorithm: A2C
network: [8]
algorithms:
  A2C:
    n_envs: 1
    learning_rate: {start: 0.1, end: 0.1, over_steps: 1}
    gamma: 0.9
    selection_scenarios: 1
    n_steps: 5
    gae_lambda: 1.0
    ent_coef: 0.0
    vf_coef: 0.5
    normalize_advantage: false
profiles:
  quick:
    target_steps: 10
    checkpoint_every_steps: 5
  full: {}
"""


def refusal(text: str, source: str = "mine.yaml") -> BadInput:
    with pytest.raises(BadInput) as fault:
        parse_card(text, source)
    return fault.value


def project(root: Path, card: str) -> Path:
    folder = root / "configs/sections"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(card, encoding="utf-8")
    return folder


def test_a_card_needs_a_section_and_a_script_only() -> None:
    card = parse_card("section: mine\nscript: examples/train.py\n", "mine.yaml")
    assert (card.title, card.directory, card.scenario, card.entry_point) == ("mine", "mine", "mine", None)
    for profile in card.profiles.values():
        assert (profile.target_steps, profile.checkpoint_every_steps) == (None, None)
        assert (profile.evaluate_every_steps, profile.evaluation_scenarios) == (None, None)
        assert profile.deadline_s == MAX_SESSION_S


def test_script_and_entry_point_exclude_each_other() -> None:
    both = refusal("section: mine\nscript: train.py\nentry_point: mine.train\n")
    assert str(both) == "mine.yaml, line 2: the card: script and entry_point exclude each other: remove one of them"
    neither = refusal("section: mine\n")
    assert "script or entry_point is missing: script: train.py runs a file" in str(neither)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (r"examples\train.py", "write its path with /"),
        ("../train.py", "without .. and ./"),
        ("examples/../train.py", "without .. and ./"),
        ("./train.py", "without .. and ./"),
        ("/home/me/train.py", "without .. and ./"),
        ("C:/me/train.py", "without .. and ./"),
        ("examples//train.py", "without .. and ./"),
        ('"train\\n.py"', "without .. and ./"),
        ("train", "its name ends in .py"),
        ("train.ipynb", "its name ends in .py"),
        (".py", "its name ends in .py"),
        ("orchestrator/cli/main.py", "belongs to the package orchestrator"),
        ("orchestrator.py", "belongs to the package orchestrator"),
    ],
)
def test_a_script_is_a_python_file_below_the_project(script: str, why: str) -> None:
    fault = refusal(f"section: mine\nscript: {script}\n")
    assert "line 2: the card: script must be a Python file below the project's folder" in str(fault)
    assert str(fault).endswith(why)


def test_the_default_of_directory_must_be_a_folder_name_too() -> None:
    assert "directory must be a plain folder name that every system allows, not 'my.section'" in str(
        refusal("section: my.section\nscript: train.py\n", "my.section.yaml")
    )


def test_a_card_with_one_profile_is_refused_with_what_each_is_for() -> None:
    fault = refusal("section: mine\nscript: train.py\nprofiles:\n  full: {target_steps: 10}\n")
    assert "line 3: the card: profiles needs both quick and full: --quick trains with the first" in str(fault)


def test_a_section_with_an_algorithm_needs_all_steps() -> None:
    lines = str(refusal(LEARNING)).splitlines()
    missing = [line.partition(" is missing")[0].rpartition(" ")[2] for line in lines]
    names = ("evaluate_every_steps", "evaluation_scenarios")
    assert missing == [
        *(f"profiles.quick.{name}" for name in names),
        *(f"profiles.full.{name}" for name in ("target_steps", "checkpoint_every_steps", *names)),
    ]
    assert lines[0].startswith("mine.yaml, line 17: the card: ")  # the line of the profile


def test_settings_that_the_card_declares_can_be_set(tmp_path: Path) -> None:
    folder = project(tmp_path, "section: mine\nscript: train.py\nsettings: {lr: 0.1, net: {width: 8}}\n")
    plain, other = load_card(folder, "mine"), load_card(folder, "mine", {"settings.lr": 0.2, "settings.net.width": 4})
    assert other.settings == {"lr": 0.2, "net": {"width": 4}} and other.trial
    assert other.lineage.id != plain.lineage.id
    with pytest.raises(BadInput, match=r"the card has no settings\.gamma") as fault:
        load_card(folder, "mine", {"settings.gamma": 1})
    assert fault.value.remedy == "A setting must be in the card, with its usual value, before it can be set."
    with pytest.raises(BadInput) as fault:
        load_card(folder, "mine", {"settings.lrr": 1})
    assert fault.value.remedy.startswith("Did you mean settings.lr? A setting must be in the card")
    for key in ("script", "entry_point", "directory"):
        with pytest.raises(BadInput, match=f"{key} cannot be set"):
            load_card(folder, "mine", {key: "other.py"})


def test_sizes_of_a_card_without_profiles_can_be_set(tmp_path: Path) -> None:
    folder = project(tmp_path, "section: mine\nscript: train.py\n")
    card = load_card(folder, "mine", {"profiles.full.target_steps": 100})
    assert (card.profiles["full"].target_steps, card.profiles["quick"].target_steps) == (100, None)
    assert not card.trial


def test_an_unrelated_schema_beside_a_script_is_no_schema_of_the_card(tmp_path: Path) -> None:
    folder = project(tmp_path, "section: mine\nscript: train.py\n")
    for text in ("import marshmallow\n\nclass Schema(marshmallow.Schema): ...\n", "TABLES = 3\n", "def broken(\n"):
        (tmp_path / "schema.py").write_text(text, encoding="utf-8")
        assert load_card(folder, "mine").own_schema is None


def test_a_schema_beside_a_script_declares_keys_of_the_card(tmp_path: Path) -> None:
    folder = project(tmp_path, "section: mine\nscript: examples/train.py\ndepth_m: 2.0\n")
    with pytest.raises(BadInput, match="depth_m: unknown key"):
        load_card(folder, "mine")
    (tmp_path / "examples").mkdir()
    text = "import dataclasses\n\n\n@dataclasses.dataclass(frozen=True)\nclass Schema:\n    depth_m: float\n"
    (tmp_path / "examples/schema.py").write_text(text, encoding="utf-8")
    card = load_card(folder, "mine", {"depth_m": 3.0})
    assert card.lineage.to_json()["depth_m"] == 3.0
    (tmp_path / "examples/schema.py").write_text("import numpy\n" + text, encoding="utf-8")
    with pytest.raises(BadInput, match="it imports numpy"):
        load_card(folder, "mine")


NAMES_OF_SYSTEMS = ["con", "NUL", "aux", "com1", "Lpt9", "a.", "../x", "x" * 65]


@pytest.mark.parametrize("name", NAMES_OF_SYSTEMS)
def test_a_folder_that_some_system_refuses_is_refused(name: str) -> None:
    fault = refusal(f"section: mine\nscript: train.py\ndirectory: '{name}'\n")
    assert f"directory must be a plain folder name that every system allows, not {name!r}" in str(fault)


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "..", ".hidden", "a:b", "a*", "NUL.txt", " a", "a\tb", "a\x7f", "x" * 81, "表" * 41]
)
def test_a_scenario_that_cannot_begin_a_file_name_is_refused(name: str) -> None:
    fault = refusal(f"section: mine\nscript: train.py\nscenario: {json.dumps(name)}\n")
    assert f"scenario must be a name that files may have on every system, not {name!r}" in str(fault)


@pytest.mark.parametrize("name", ["traffic_light_control", "été 2026", "my.section", "con", "console", "x" * 80])
def test_usual_scenarios_are_accepted(name: str) -> None:
    assert parse_card(f"section: mine\nscript: train.py\nscenario: {name}\n", "mine.yaml").scenario == name


@pytest.mark.parametrize("name", ["x" * 41, "été", "my.section", "-x", "a b"])
def test_a_section_whose_kernels_would_have_no_possible_name_is_refused(name: str) -> None:
    fault = refusal(f"section: '{name}'\nscript: train.py\ndirectory: x\nscenario: x\n", f"{name}.yaml")
    assert "section must have 1 to 40 letters, digits, - and _" in str(fault) and repr(name) in str(fault)
