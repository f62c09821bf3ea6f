"""The tidy results table as CSV and Parquet files with equal contents."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest
from pyarrow import parquet

from orchestrator.core.errors import BadInput
from orchestrator.core.reporting.results_table import COLUMNS
from orchestrator.stores.reporting.table_files import write_table

ROW = {
    **dict.fromkeys(COLUMNS, "é"),
    "seed": 3,
    "steps": 10,
    "value": 18.5,
    "sessions": 2,
    "wasted_steps": 0,
    "wall_s": 1.5,
}
ROWS = [ROW, {**ROW, "value": 19}, {**ROW, "value": ""}]


def test_csv_and_parquet_have_equal_contents(tmp_path: Path) -> None:
    for name in ("table.csv", "table.parquet"):
        write_table(ROWS, tmp_path / "new" / name)
    parquet_rows = parquet.read_table(tmp_path / "new/table.parquet").to_pylist()
    assert [row["value"] for row in parquet_rows] == [18.5, 19.0, None] and parquet_rows[0]["seed"] == 3
    text = (tmp_path / "new/table.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(text))
    assert list(rows[0]) == list(COLUMNS) == list(parquet_rows[0]) and rows[0]["command"] == "é"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"table.csv", "table.parquet"}


def test_a_table_without_rows_is_written(tmp_path: Path) -> None:
    for name in ("table.csv", "table.parquet"):
        write_table([], tmp_path / name)
    assert parquet.read_table(tmp_path / "table.parquet").num_rows == 0


def test_an_unknown_format_or_a_missing_library_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"neither \.csv nor \.parquet"):
        write_table(ROWS, tmp_path / "table.xlsx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="needs the library pyarrow"):
        write_table(ROWS, tmp_path / "table.parquet")
    assert not list(tmp_path.iterdir())
