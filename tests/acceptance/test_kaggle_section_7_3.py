"""Section 7.3 on the loopback Kaggle: a CPU session, the same numbers as on this computer."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables, point_at_loopback
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

RUN = ("run", "section_7_3", "--quick", "--json")


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def make_project(root: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    return root


def numbers(root: Path, answer: Answer) -> list[tuple[str, ...]]:
    path = root / answer.json["results_dir"] / "section_7_3_analytical/data/metrics/analytical_validation.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["check"], row["case"], row["quantity"], row["value"]) for row in csv.DictReader(stream)]


@pytest.mark.prove
def test_kaggle_measures_the_same_numbers_and_is_then_finished(kaggle: LoopbackKaggle, tmp_path: Path) -> None:
    root, local_root = make_project(tmp_path / "project"), make_project(tmp_path / "local")
    remote = orchestrate(root, *RUN, "--backend", "kaggle", **loopback_variables())
    assert remote.code == 0, remote.err
    assert (remote.json["end_reason"], remote.json["verdict"], remote.json["problems"]) == ("finished", "supported", [])
    local = orchestrate(local_root, *RUN)
    assert numbers(root, remote) == numbers(local_root, local)
    again = orchestrate(root, *RUN, "--backend", "kaggle", **loopback_variables())
    assert (again.json["sessions"], again.json["verdict"]) == (0, "supported"), again.err
