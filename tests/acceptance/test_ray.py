"""`--backend ray` on a computer without a cluster: one clear line, and nothing runs elsewhere.

The trainings on a real head are in `tests/ray`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tests.doubles.toy_section import make_toy_project, read_card_file, write_card

HEAD = "http://127.0.0.1:9"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(make_toy_project(tmp_path)))
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    write_card(tmp_path, read_card_file(tmp_path) | {"ray": {"address": HEAD, "storage": f"file://{tmp_path}/s"}})
    return tmp_path


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)


@pytest.mark.usefixtures("without_ray")
def test_without_ray_nothing_runs_elsewhere(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "section_7_6", "--quick", "--backend", "ray"]) == 4
    err = capfd.readouterr().err
    assert "Error: the backend ray needs Ray's client, which is not installed" in err
    assert "python -m pip install fsspec 'ray[default]'" in err
    assert not (toy / "validation_output").exists() and not (toy / "s").exists()
    assert main(["doctor", "section_7_6", "--backend", "ray"]) == 2
    out = capfd.readouterr().out
    assert "✗ Ray: the backend ray needs Ray's client" in out and "✓ storage" in out


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({}, "Error: no Ray cluster is named"),
        ({"address": HEAD}, "Error: the card names no storage for the backend ray"),
        ({"address": HEAD, "storage": "/shared"}, "storage must be a place such as file:///shared/runs"),
        ({"address": HEAD, "storage": "nosuch://bucket/runs"}, "Error: the storage nosuch://bucket/runs"),
    ],
)
def test_a_card_that_names_too_little_is_refused(
    toy: Path, capfd: pytest.CaptureFixture[str], block: dict[str, str], words: str
) -> None:
    write_card(toy, read_card_file(toy) | {"ray": block})
    assert main(["run", "section_7_6", "--quick", "--backend", "ray"]) == 2
    assert words in capfd.readouterr().err
    assert not (toy / "validation_output").exists()


def test_two_clusters_are_refused(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://other:8265")
    assert main(["run", "section_7_6", "--quick", "--backend", "ray"]) == 2
    assert f"the card names the Ray cluster {HEAD}, and RAY_ADDRESS another one" in capfd.readouterr().err
    assert main(["doctor", "section_7_6", "--backend", "ray"]) == 2


def test_settings_of_ray_have_no_effect_elsewhere(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "section_7_6", "--quick", "--backend", "local", "--set", "ray.num_cpus=2"]) == 0
    assert "--set ray.num_cpus has no effect on the backend local" in capfd.readouterr().out


def test_doctor_refuses_options_of_kaggle(toy: Path) -> None:
    assert main(["doctor", "--backend", "ray", "--push"]) == 2
