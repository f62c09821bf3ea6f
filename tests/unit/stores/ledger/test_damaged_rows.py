"""A damaged value of a row is named with its file, row and key, whichever column holds it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.ledger.lease import SqliteRefusals
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.unit.stores.ledger.test_sqlite import WHOLE_SESSION, _plan, _start

LONG = "x" * 3000
NOT_NAMES: tuple[Any, ...] = ("", "\0", "../../x", LONG, 5, {})
OF_RUN = dict.fromkeys(("section", "lineage_id", "profile", "backend"), NOT_NAMES)
OF_SESSION = {
    **dict.fromkeys(("lineage_id", "backend", "slug", "run_id", "nonce"), ("garbage", *NOT_NAMES)),
    "handle": ("garbage", *NOT_NAMES, "local://local/..", "local://local/a\x1b", "kaggle://local/slug-1-1", None),
    "results_dir": ("", "\0", LONG, 5),
    "carrier": ("garbage", *NOT_NAMES),
    "kernel": NOT_NAMES,
    "stop_asked_by": ("garbage", *NOT_NAMES),
    "stage": ("garbage", "", 5),
    **dict.fromkeys(("session", "attempt"), (7, "1")),
    **dict.fromkeys(("planned_at", "begun_at", "missed_at", "started_at", "ended_at"), ("garbage", "", "2026-01-01")),
}
CASES = [
    *(("runs", "run", key, value) for key, values in OF_RUN.items() for value in values),
    *(("sessions", "run/s01a1", key, value) for key, values in OF_SESSION.items() for value in values),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one session in flight."""
    with closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        for event in (_start(), _plan(), WHOLE_SESSION[0]):
            ledger.record(event)
    return tmp_path / "ledger.sqlite"


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def read(path: Path) -> None:
    with closing(SqliteLedger(path)) as ledger:
        ledger.runs()
        ledger.sessions()


@pytest.mark.parametrize(("table", "row", "key", "value"), CASES)
def test_a_damaged_value_is_named_with_file_row_and_key(
    path: Path, table: str, row: str, key: str, value: object
) -> None:
    change(path, f"UPDATE {table} SET row = json_set(row, ?, json(?))", f"$.{key}", json.dumps(value))
    with pytest.raises(BadInput) as caught:
        read(path)
    words = str(caught.value)
    assert f"{path} is not a readable ledger" in words and row in words and key in words
    assert LONG not in words and "\0" not in words and "\x1b" not in words
    assert "Move that file away" in caught.value.remedy


@pytest.mark.parametrize(
    ("table", "column"), [("runs", "run_id"), *(("sessions", one) for one in ("key", "lineage_id", "stage"))]
)
def test_a_column_by_which_a_row_is_found_must_agree_with_it(path: Path, table: str, column: str) -> None:
    """By another lineage or stage, a session in flight would not be found, and a second one would be started."""
    change(path, f"UPDATE {table} SET {column} = 'garbage'")
    with pytest.raises(BadInput, match=rf"the row of \w+ .*: {column} is 'garbage' and '"):
        read(path)


@pytest.mark.parametrize("text", ["garbage", "", b"\x00\xff"])
def test_a_row_that_is_no_json_is_named(path: Path, text: object) -> None:
    change(path, "UPDATE sessions SET row = ?", text)
    with pytest.raises(BadInput, match="is not a readable ledger: the row of session 'run/s01a1' is no JSON"):
        read(path)


def test_a_row_that_cannot_be_indexed_is_no_full_disk(path: Path) -> None:
    change(path, "DROP INDEX runs_of_lineage")
    change(path, "UPDATE runs SET row = 'garbage'")
    with pytest.raises(BadInput, match="is not a readable ledger: a row is no JSON"):
        read(path)


def test_a_refusal_that_is_no_text_is_named(path: Path) -> None:
    with closing(SqliteLedger(path)) as ledger:
        SqliteRefusals(ledger).store("c" * 64, "no room")
        ledger.connection.execute("UPDATE refusals SET why = ?", (b"\x00\xff",))
        with pytest.raises(BadInput, match=r"the refusal of .* is .* instead of a text"):
            SqliteRefusals(ledger).reasons()


def test_a_lineage_in_a_ticket_that_cannot_be_sorted_is_named(path: Path) -> None:
    change(path, "UPDATE events SET body = json_set(body, '$.ticket.spec.lineage.seed', json('{}'))")
    with pytest.raises(BadInput, match=r"spec\.lineage\.seed must be a whole number"):
        read(path)
