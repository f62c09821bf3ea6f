"""The report on any section holds no secret, whatever names a session gave to its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.reporting.training import Training
from orchestrator.stores.reporting.table_files import write_table
from orchestrator.stores.reporting.training_report import write_training_report
from tests.unit.core.reporting.test_training_report import training

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"


def named_by_a_secret(seed: int) -> Training:
    plain = training(seed, {KEY: 1.0, f"a.{TOKEN}": 2.0}, 0.5, 0.7, variant=f"PPO {TOKEN}")
    points = tuple(replace(point, measures={TOKEN: 3.0, KEY: 4.0}) for point in plain.curve.points)
    return replace(plain, curve=replace(plain.curve, points=points), adopted=KEY, proof=None)


def test_no_file_of_a_report_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    trainings = [named_by_a_secret(seed) for seed in (1, 2)]
    files, _ = write_training_report("toy", trainings, tmp_path, f"orchestrator report --set a={TOKEN}")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= len(files) > 3
    for path in written:
        for secret in (KEY, TOKEN, TOKEN.replace("_", r"\_")):
            assert secret.encode() not in path.read_bytes() and secret not in path.name, path.name


def test_the_table_of_results_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.core.reporting.results_table import COLUMNS

    monkeypatch.setenv("KAGGLE_KEY", KEY)
    row = dict.fromkeys(COLUMNS, "") | {COLUMNS[0]: TOKEN, COLUMNS[-1]: KEY}
    write_table([row], tmp_path / "results.csv")
    text = (tmp_path / "results.csv").read_text(encoding="utf-8")
    assert KEY not in text and TOKEN not in text and "[hidden" in text
