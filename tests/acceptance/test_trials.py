"""Other seeds and algorithms of a section are separate trainings beside the default run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project

SECTION = "validation_ch7/section_7_6_rl_performance"
QUICK = ("run", "section_7_6", "--quick", "--json")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "toy")


def trials(root: Path) -> list[str]:
    return sorted(path.name for path in (root / SECTION / "trials").glob("*"))


def test_seed_has_its_own_models_directory_and_resumes_from_it(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    default = sorted(path.name for path in (toy / SECTION / "data/models").rglob("*"))
    first = orchestrate(toy, *QUICK, "--seed", "3")
    assert first.code == 0 and first.json["steps_start"] == 0
    (trial,) = trials(toy)
    assert first.json["models_dir"].endswith(f"{SECTION}/trials/{trial}/data/models")
    assert f"-{trial}-s01" in first.json["results_dir"]
    assert sorted(path.name for path in (toy / SECTION / "data/models").rglob("*")) == default

    again = orchestrate(toy, *QUICK, "--seed", "3", "--add-steps", "20")
    assert again.json["steps_start"] == first.json["steps_done"] and trials(toy) == [trial]
    assert orchestrate(toy, *QUICK).json["end_reason"] == "at_target"  # the default run is unchanged


def test_other_algorithm_is_a_trial_but_the_cards_default_is_not(toy: Path) -> None:
    orchestrate(toy, *QUICK, "--algorithm", "DQN", "--seed", "0")
    assert (toy / SECTION / "data/models/checkpoints").is_dir() and trials(toy) == []
    for name in ("PPO", "QR-DQN", "qrdqn"):
        assert orchestrate(toy, *QUICK, "--algorithm", name).code == 0
    assert len(trials(toy)) == 2  # QR-DQN is one algorithm, however it is written


def test_seed_and_algorithm_flags_override_the_environment(toy: Path) -> None:
    from_variable = orchestrate(toy, *QUICK, ORCHESTRATOR_SEED="5", ORCHESTRATOR_ALGORITHM="PPO").json
    from_flags = orchestrate(toy, *QUICK, "--seed", "5", "--algorithm", "PPO", ORCHESTRATOR_SEED="9").json
    assert from_flags["models_dir"] == from_variable["models_dir"] and from_flags["end_reason"] == "at_target"


def test_other_commands_find_a_trial(toy: Path) -> None:
    orchestrate(toy, *QUICK, "--seed", "3")
    assert "Starting fresh training" in orchestrate(toy, "logs", "section_7_6", "--seed", "3").out
    assert orchestrate(toy, "fetch", "section_7_6", "--seed", "3").code == 0
    assert orchestrate(toy, "attach", "section_7_6", "--seed", "3").code == 2  # nothing is in flight
    rendered = orchestrate(toy, "render", "section_7_6", "--quick", "--seed", "4")
    assert rendered.code == 0 and trials(toy) == trials(toy)[:1]
    status = orchestrate(toy, "status").out
    assert f"section_7_6 trial {trials(toy)[0]} (DQN, seed 3)" in status


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--algorithm", "SARSA"), "declares DQN, QRDQN, PPO, A2C, SAC, TD3, not SARSA"),
        (("--seed", "-1"), "seed must not be negative"),
    ],
)
def test_undeclared_algorithm_or_negative_seed_is_refused(toy: Path, words: tuple[str, str], message: str) -> None:
    answer = orchestrate(toy, *QUICK, *words)
    assert answer.code == 2 and message in answer.json["error"] and trials(toy) == []


def test_card_file_cannot_set_trial(toy: Path) -> None:
    path = toy / "configs/sections/section_7_6.yaml"
    path.write_text(path.read_text("utf-8") + "\ntrial: true\n", encoding="utf-8")
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 2 and "trial: unknown key" in answer.json["error"]
