"""Writes the results table: CSV always, Parquet if its library is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.reporting.results_table import COLUMNS, to_csv
from orchestrator.core.secret_search import masked_json
from orchestrator.kernel.files.atomic import write_atomically
from orchestrator.stores.secrets.rules import masking

CSV, PARQUET = ".csv", ".parquet"
_LIBRARY = "pyarrow"


def parquet_at_hand() -> bool:
    """Whether Parquet can be written here."""
    return importlib.util.find_spec(_LIBRARY) is not None


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the table atomically, in the format of the file's suffix.

    Raises:
        BadInput: The format is unknown, or its library is not installed.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = masked_json(list(rows), masking())
    if path.suffix == CSV:
        text = to_csv(rows)
        write_atomically(path, lambda temporary: _as_text(temporary, text))
    elif path.suffix != PARQUET:
        raise BadInput(f"{path.name} is neither {CSV} nor {PARQUET}", remedy="Give the file one of these two suffixes.")
    elif not parquet_at_hand():
        raise BadInput(f"{path.name} needs the library {_LIBRARY}", remedy=f"python -m pip install {_LIBRARY}")
    else:
        write_atomically(path, lambda temporary: _as_parquet(temporary, rows))


def _as_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _as_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    columns["value"] = [None if value == "" else float(value) for value in columns["value"]]
    parquet.write_table(pa.table(columns), path)
