"""From a wheel and an empty folder to an agent of stable-baselines3, without a line of code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.installed_wheel import Installed, build, copied_sources, install


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("full")
    return install(build(copied_sources(root / "sources"), root / "wheel"), root / "venv")


@pytest.mark.prove
def test_an_agent_is_trained_and_resumed_without_a_line_of_code(full: Installed, tmp_path: Path) -> None:
    made = full.orchestrate(tmp_path, "init", ".", "--env", "CartPole-v1", "--section", "pole", "--json")
    assert made.code == 0, made.err
    assert "python -m pip install -r requirements.txt" in made.json["next"]
    words = ("run", "pole", "--quick", "--json", "--target-steps")
    first = full.orchestrate(tmp_path, *words, "2048")
    assert (first.code, first.json["steps_done"]) == (0, 2048), first.err
    second = full.orchestrate(tmp_path, *words, "4096")
    assert (second.json["steps_start"], second.json["steps_done"]) == (2048, 4096), second.err
    assert second.json["resume_grade"] == "exact", second.json["resume_reasons"]
