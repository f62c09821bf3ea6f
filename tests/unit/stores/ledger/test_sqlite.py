"""Rows follow from the events; several processes may read at once; a foreign file is refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.ledger.records import Stage, session_key
from orchestrator.core.secret_search import SecretValue
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sql import OPEN_SESSIONS
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.secrets.rules import masking
from tests.unit.kernel.makers import make_ticket

TICKET = make_ticket(spec={"profile": "quick", "criteria": {}, "lineage": {"seed": 0}}).to_json()
OTHER = {**TICKET, "nonce": "m" * 32}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(tmp_path / "own" / "ledger.sqlite")
    yield ledger
    ledger.close()


def _event(kind: EventKind, key: str | None = None, run: str = "run", /, **body: object) -> Event:
    return Event(kind=kind, at="2026-01-01T00:00:00+00:00", run_id=run, session=key, body=body)


def _start(run: str = "run") -> Event:
    return _event(
        EventKind.RUN_STARTED,
        None,
        run,
        section="section_7_6",
        lineage_id="c" * 64,
        profile="quick",
        backend="local",
        target_steps=100,
        steps_start=0,
        steps_done=0,
    )


def _plan(session: int = 1, attempt: int = 1, run: str = "run", ticket: dict[str, Any] | None = None) -> Event:
    return _event(
        EventKind.SESSION_PLANNED,
        session_key(run, session, attempt),
        run,
        lineage_id="c" * 64,
        session=session,
        attempt=attempt,
        slug=f"slug-{session}-{attempt}",
        backend="local",
        nonce="n",
        ticket=ticket or TICKET,
    )


WHOLE_SESSION = (
    _event(EventKind.SESSION_SUBMITTED, "run/s01a1", handle="local://local/slug-1-1"),
    _event(EventKind.SESSION_ENDED, "run/s01a1", native="exit 0", exit_code=0, reason=None),
    _event(EventKind.SESSION_FETCHED, "run/s01a1", results_dir="r", missing=[]),
    _event(
        EventKind.SESSION_JUDGED,
        "run/s01a1",
        end_reason="paused",
        exit_code=0,
        verdict=None,
        steps_start=0,
        steps_done=40,
        resume_grade=None,
        problems=["é"],
    ),
    _event(EventKind.SESSION_CLOSED, "run/s01a1", restored=["a.zip"], models_steps=40),
)


def test_each_event_moves_a_session_to_its_next_stage(ledger: SqliteLedger) -> None:
    ledger.record(_start())
    ledger.record(_plan())
    stages = [ledger.sessions()[0].stage]
    for event in WHOLE_SESSION:
        ledger.record(event)
        stages.append(ledger.sessions()[0].stage)
    assert stages == list(Stage)
    assert ledger.runs()[0].steps_done == 40
    assert ledger.runs()[0].sessions == 1
    assert ledger.sessions("c" * 64)[0].problems == ("é",)
    assert ledger.sessions("d" * 64) == []


def test_the_rows_can_be_rebuilt_from_the_events(ledger: SqliteLedger, tmp_path: Path) -> None:
    for event in (_start(), _plan(), *WHOLE_SESSION, _plan(2), _start("other"), _plan(1, 2, "other")):
        ledger.record(event)
    before = (list(ledger.runs()), list(ledger.sessions()))
    assert ledger.rebuild()
    assert (list(ledger.runs()), list(ledger.sessions())) == before


def test_a_modified_row_is_detected_and_rebuilt(ledger: SqliteLedger, tmp_path: Path) -> None:
    for event in (_start(), _plan(), *WHOLE_SESSION):
        ledger.record(event)
    ledger._connection.execute("UPDATE sessions SET row = replace(row, '\"steps_done\": 40', '\"steps_done\": 99')")
    assert ledger.sessions()[0].steps_done == 99
    assert not ledger.rebuild()
    assert ledger.sessions()[0].steps_done == 40


def test_an_event_out_of_order_is_refused_and_not_stored(ledger: SqliteLedger) -> None:
    ledger.record(_start())
    with pytest.raises(ValueError, match="never planned"):
        ledger.record(WHOLE_SESSION[0])
    with pytest.raises(ValueError, match="started before"):
        ledger.record(_start())
    assert len(ledger.events()) == 1


def test_two_open_ledgers_see_each_others_events(ledger: SqliteLedger, tmp_path: Path) -> None:
    other = SqliteLedger(tmp_path / "own" / "ledger.sqlite")
    ledger.record(_start())
    other.record(_plan())
    assert [record.key for record in ledger.sessions()] == ["run/s01a1"]
    other.close()


def test_a_file_that_is_no_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"these are my notes, not a database " * 100)
    with pytest.raises(BadInput, match="not a readable ledger"):
        SqliteLedger(path)
    assert path.read_bytes().startswith(b"these are my notes")


def test_only_an_intent_is_synced_to_disk(tmp_path: Path) -> None:
    """An intent must survive a power cut: `PRAGMA synchronous` is FULL for it, and NORMAL for all other events."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    statements: list[str] = []
    ledger._connection.set_trace_callback(statements.append)
    # Every pair of kinds: the level of an event must not depend on the event before it.
    for kind in [kind for before in EventKind for after in EventKind for kind in (before, after)]:
        statements.clear()
        event = Event(kind=kind, at="t", run_id="r", session="r/s01a1", body={})
        with contextlib.suppress(ValueError, TypeError, BadInput):  # most are refused; only the PRAGMA matters
            ledger.record(event)
        level, number = ("FULL", 2) if kind is EventKind.SESSION_PLANNED else ("NORMAL", 1)
        assert statements[: statements.index("BEGIN IMMEDIATE")] in ([], [f"PRAGMA synchronous={level}"])
        assert not any("synchronous" in statement for statement in statements[statements.index("BEGIN IMMEDIATE") :])
        assert ledger.connection.execute("PRAGMA synchronous").fetchone() == (number,)  # the level at the commit
    ledger.close()


def test_events_recorded_together_are_stored_together_or_not_at_all(ledger: SqliteLedger) -> None:
    ledger.record(_start())
    ledger.record(_plan())
    submitted, ended, fetched, judged, closed = WHOLE_SESSION
    ledger.record(submitted)
    ledger.record(ended)
    with pytest.raises(ValueError, match="many values"):
        ledger.record(fetched, _plan(2))
    with pytest.raises(ValueError, match="planned before"):
        ledger.record(fetched, judged, _plan())
    assert len(ledger.events()) == 4
    assert [one.stage for one in ledger.open_sessions()] == [Stage.ENDED]
    ledger.record(fetched, judged)
    assert [one.stage for one in ledger.open_sessions()] == [Stage.JUDGED]
    ledger.record(closed)
    assert [event.kind for event in ledger.events()][-3:] == [fetched.kind, judged.kind, closed.kind]
    assert ledger.rebuild()


def test_open_sessions_are_queried_by_their_index(ledger: SqliteLedger) -> None:
    """Without the index a tick of a long campaign would read the whole ledger."""
    plan = ledger.connection.execute(f"EXPLAIN QUERY PLAN {OPEN_SESSIONS}").fetchall()
    assert any("USING INDEX sessions_open" in step[-1] for step in plan)


def _refused(problems: list[str]) -> tuple[Event, Event]:
    judged = _event(
        EventKind.SESSION_JUDGED,
        "run/s01a1",
        end_reason="never_submitted",
        exit_code=None,
        verdict=None,
        steps_start=None,
        steps_done=None,
        resume_grade=None,
        problems=problems,
    )
    closed = _event(EventKind.SESSION_CLOSED, "run/s01a1", restored=[], models_steps=0, unsubmitted=True)
    return judged, closed


def test_the_name_of_a_session_that_was_never_submitted_is_reused(ledger: SqliteLedger) -> None:
    """A refused push leaves no gap in the numbers; a lost push is counted as lost."""
    ledger.record(_start())
    for problems in (["all slots are taken"], [], []):
        ledger.record(_plan())
        for event in _refused(problems):
            ledger.record(event)
    (record,) = ledger.sessions()
    assert record.never_submitted and record.lost_pushes == 2
    assert ledger.runs()[0].sessions == 0
    ledger.record(_plan())
    assert ledger.open_sessions()[0].lost == 2 and ledger.rebuild()
    with pytest.raises(ValueError, match="was planned before"):
        ledger.record(_plan())


def test_an_event_increments_the_event_number(ledger: SqliteLedger) -> None:
    assert ledger.last_event() == 0
    ledger.record(_start())
    assert ledger.last_event() == 1
    assert [run.run_id for run in ledger.runs("c" * 64)] == ["run"] and ledger.runs("d" * 64) == []


def test_a_run_sums_the_wall_time_of_its_sessions(ledger: SqliteLedger) -> None:
    ledger.record(_start())
    for number, wall_s in ((1, 50.0), (2, None)):
        key = session_key("run", number, 1)
        ledger.record(_plan(session=number))
        ledger.record(_event(EventKind.SESSION_CLOSED, key, restored=[], models_steps=40 * number, wall_s=wall_s))
    (run,) = ledger.runs()
    assert (run.wall_s, run.steps_done, run.sessions) == (50.0, 80, 2)


def test_another_program_reads_the_same_records_after_every_event(ledger: SqliteLedger, tmp_path: Path) -> None:
    """Runs and sessions are equal in both programs after each event."""
    for event in (_start(), _plan(), *WHOLE_SESSION):
        ledger.record(event)
        other = SqliteLedger(tmp_path / "own" / "ledger.sqlite")
        assert list(other.runs()) == list(ledger.runs()) and list(other.sessions()) == list(ledger.sessions())
        other.close()


_TICKET_OF_EVENT = "(SELECT json_extract(body, '$.ticket') FROM events WHERE seq = planned_seq)"
EARLIER: dict[str, tuple[str, ...]] = {
    "within its row": (
        f"UPDATE sessions SET row = json_set(row, '$.ticket', json({_TICKET_OF_EVENT}))",
        "ALTER TABLE sessions DROP COLUMN planned_seq",
    ),
    "in a column of its own": (
        "ALTER TABLE sessions ADD COLUMN ticket TEXT NOT NULL DEFAULT '{}'",
        f"UPDATE sessions SET ticket = {_TICKET_OF_EVENT}",
        "ALTER TABLE sessions DROP COLUMN planned_seq",
    ),
}
"""Statements that turn a current ledger into one of an earlier version, by where that stored the ticket."""


@pytest.mark.parametrize("version", EARLIER)
def test_a_ledger_of_an_earlier_version_is_migrated_and_stays_usable(tmp_path: Path, version: str) -> None:
    path, second_key = tmp_path / "ledger.sqlite", "run/s02a1"
    ledger = SqliteLedger(path)
    lost = (
        _event(EventKind.SESSION_JUDGED, second_key, end_reason="never_submitted", problems=[]),
        _event(EventKind.SESSION_CLOSED, second_key, restored=[], models_steps=0, unsubmitted=True),
    )
    for event in (_start(), _plan(2), *lost, _plan(), _plan(2, ticket=OTHER), *WHOLE_SESSION[:2]):
        ledger.record(event)
    records = list(ledger.sessions())
    assert [dict(record.ticket) for record in records] == [OTHER, TICKET]
    for statement in EARLIER[version]:
        ledger.connection.execute(statement)
    ledger.close()
    for _ in range(2):  # the second time there is nothing to migrate
        later = SqliteLedger(path)
        assert list(later.sessions()) == records
        assert "ticket" not in _columns(later.connection)
        later.close()
    later = SqliteLedger(path)
    for event in WHOLE_SESSION[2:]:
        later.record(event)
    # Not None here.
    assert later.session("run/s01a1").stage is Stage.CLOSED and later.rebuild()  # type: ignore[union-attr]
    later.close()


@pytest.mark.parametrize("version", EARLIER)
def test_a_ledger_of_an_earlier_version_is_read_without_changing_it(tmp_path: Path, version: str) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path)
    for event in (_start(), _plan(), *WHOLE_SESSION):
        ledger.record(event)
    records = list(ledger.sessions())
    for statement in EARLIER[version]:
        ledger.connection.execute(statement)
    ledger.close()
    before = path.read_bytes()
    with ledger_for_reading(path) as read:
        assert list(read.sessions()) == records
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["ledger.sqlite"]


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [column for _, column, *_ in connection.execute("PRAGMA table_info(sessions)")]


def test_a_failed_transaction_stores_none_of_its_rows(tmp_path: Path) -> None:
    """A transaction that fails at its second row does not keep its first."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    for event in (_start(), _plan()):
        ledger.record(event)
    ledger.connection.execute("CREATE TEMP TRIGGER full AFTER UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        ledger.record(_plan(2))
    ledger.connection.execute("DROP TRIGGER full")
    ledger.connection.execute(
        "CREATE TEMP TRIGGER full AFTER INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        ledger.record(_plan(2))
    assert [one.sessions for one in ledger.runs("c" * 64)] == [1] and ledger.session("run/s02a1") is None
    assert [one.key for one in ledger.sessions("c" * 64)] == ["run/s01a1"]
    ledger.close()


def test_the_previous_version_cannot_write_into_a_current_ledger(tmp_path: Path) -> None:
    """The previous version adds its own column to an empty table; its insert must fail before it pushes anything."""
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()
    with contextlib.closing(sqlite3.connect(path)) as before:
        before.execute("ALTER TABLE sessions ADD COLUMN ticket TEXT NOT NULL DEFAULT '{}'")
        with pytest.raises(sqlite3.IntegrityError, match="planned_seq"):
            columns = "key, lineage_id, planned_at, stage, row, ticket"
            before.execute(f"INSERT INTO sessions ({columns}) VALUES ('k', 'l', 't', 'planned', '{{}}', '{{}}')")
    ledger = SqliteLedger(path)
    assert "ticket" not in _columns(ledger.connection)
    for event in (_start(), _plan(), *WHOLE_SESSION):
        ledger.record(event)
    assert ledger.rebuild()
    ledger.close()


def test_a_row_without_its_event_is_reported_and_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path)
    for event in (_start(), _plan()):
        ledger.record(event)
    whole = list(ledger.sessions())
    ledger.connection.execute("UPDATE sessions SET planned_seq = 99")
    ledger.close()
    later = SqliteLedger(path)
    with pytest.raises(BadInput, match="the event that planned run/s01a1 is not there"):
        later.sessions()
    assert not later.rebuild()
    assert list(later.sessions()) == whole and later.rebuild()
    later.close()


def test_a_rebuild_removes_a_row_without_any_event(ledger: SqliteLedger) -> None:
    for event in (_start(), _plan()):
        ledger.record(event)
    ledger.connection.execute(
        "INSERT INTO sessions SELECT 'run/s07a1', lineage_id, planned_at, stage, json_set(row, '$.key', 'run/s07a1'),"
        " planned_seq FROM sessions"
    )
    assert len(ledger.sessions()) == 2 and not ledger.rebuild()
    assert ledger.session("run/s07a1") is None and len(ledger.sessions("c" * 64)) == 1
    with pytest.raises(ValueError, match="never planned"):
        ledger.record(_event(EventKind.SESSION_SUBMITTED, "run/s07a1", handle="h"))
    assert ledger.rebuild()


def test_a_ledger_that_cannot_be_migrated_stays_unchanged_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message asks the user to move the file away, which Windows refuses while it is open."""
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path)
    for event in (_start(), _plan()):
        ledger.record(event)
    for statement in EARLIER["within its row"]:
        ledger.connection.execute(statement)
    ledger.connection.execute("UPDATE sessions SET row = 'torn'")
    ledger.close()
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def recorded_connect(*words: Any, **settings: Any) -> sqlite3.Connection:
        opened.append(connect(*words, **settings))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", recorded_connect)
    with pytest.raises(BadInput, match="is not a readable ledger: a row is no JSON"):
        SqliteLedger(path)
    (connection,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
    with contextlib.closing(connect(path)) as check:
        assert check.execute("SELECT row FROM sessions").fetchall() == [("torn",)]
        assert "planned_seq" not in _columns(check)


def test_two_programs_writing_in_turn_read_the_same_records(tmp_path: Path) -> None:
    mine, other = SqliteLedger(tmp_path / "ledger.sqlite"), SqliteLedger(tmp_path / "ledger.sqlite")
    lineage = "c" * 64
    assert mine.sessions(lineage) == mine.runs(lineage) == []
    other.record(_start())
    assert len(mine.runs(lineage)) == 1
    other.record(_plan())
    assert [one.stage for one in mine.sessions(lineage)] == [Stage.PLANNED]
    assert mine.runs(lineage)[0].sessions == 1
    mine.record(WHOLE_SESSION[0])
    assert [one.stage for one in other.sessions(lineage)] == [Stage.SUBMITTED]
    assert mine.sessions(lineage) == other.sessions(lineage)
    mine.sessions(lineage).clear()  # the caller may change the returned list
    assert len(mine.sessions(lineage)) == 1
    with pytest.raises(ValueError, match="planned before"):
        mine.record(_plan())
    assert [one.stage for one in mine.sessions(lineage)] == [Stage.SUBMITTED]
    for ledger in (mine, other):
        ledger.close()


def test_a_path_that_is_not_utf_8_is_recorded_and_read_back(ledger: SqliteLedger) -> None:
    ledger.record(_start(), _event(EventKind.RUN_ENDED, end_reason="a\udce9b", steps_done=0, verdict=None))
    assert ledger.events()[-1].body["end_reason"] == "a\udce9b"
    assert ledger.runs()[0].end_reason == "a\udce9b"


def test_what_a_session_said_is_masked_in_events_and_rows(tmp_path: Path) -> None:
    secret = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
    mask = masking([SecretValue(name="KAGGLE_KEY", value=secret)])
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite", mask)) as ledger:
        key = session_key("run", 1, 1)
        ledger.record(_start(), _event(EventKind.RUN_ENDED, None, "run", end_reason=f"failed {secret}"))
        ledger.record(_plan())
        ledger.record(_event(EventKind.SESSION_SUBMITTED, key, handle="local://local/slug-1-1"))
        ledger.record(
            _event(
                EventKind.SESSION_ENDED,
                key,
                native=f"ERROR: {secret}",
                exit_code=1,
                reason="crashed",
                problems=[secret.upper()],
            )
        )
        record = ledger.session(key)
        assert record is not None and record.native == "ERROR: [value of KAGGLE_KEY]" and ledger.rebuild()
    assert not any(secret in path.read_bytes().decode("latin-1").lower() for path in tmp_path.iterdir())


def test_a_private_key_over_several_lines_of_an_event_is_masked(tmp_path: Path) -> None:
    lines = [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xf",
        "-----END RSA " + "PRIVATE KEY-----",
    ]
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite", masking([]))) as ledger:
        key = session_key("run", 1, 1)
        ledger.record(_start())
        ledger.record(_plan())
        ledger.record(_event(EventKind.SESSION_SUBMITTED, key, handle="local://local/slug-1-1"))
        found = ["first", *lines, "last"]
        ledger.record(_event(EventKind.SESSION_ENDED, key, native="E", exit_code=1, reason="crashed", problems=found))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert lines[1].encode() not in content and b"private key" in content and b'"last"' in content


def test_rows_with_null_for_what_is_not_known_are_read(tmp_path: Path) -> None:
    """Version 0.1 wrote its rows so."""
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.record(_start())
        ledger.record(_plan())
        key = session_key("run", 1, 1)
        run, session = ledger.runs(), ledger.session(key)
        assert session is not None
    absent = {
        "runs": {"end_reason": None, "verdict": None, "ended_at": None},
        "sessions": {"handle": None, "score": None, "verdict": None, "missed_at": None},
    }
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw, raw:
        for table, nulls in absent.items():
            for rowid, row in raw.execute(f"SELECT rowid, row FROM {table}").fetchall():
                plain = {**nulls, **json.loads(row)}
                raw.execute(f"UPDATE {table} SET row = ? WHERE rowid = ?", (json.dumps(plain), rowid))
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        assert (ledger.runs(), ledger.session(key)) == (run, session)


def test_what_this_program_reads_back_is_never_masked(tmp_path: Path) -> None:
    mask = masking([SecretValue(name="PGPASSWORD", value="admin2024")])
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite", mask)) as ledger:
        key = session_key("run", 1, 1)
        ledger.record(_start())
        ledger.record(_plan())
        ledger.record(_event(EventKind.SESSION_SUBMITTED, key, handle="local://local/admin2024"))
        record = ledger.session(key)
        assert record is not None and record.handle == "local://local/admin2024"


@pytest.mark.parametrize("score", [1.7e308, -1.7e308, 1e300])
def test_the_largest_numbers_of_a_session_are_read_back(score: float, tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        key = session_key("run", 1, 1)
        ledger.record(_start())
        ledger.record(_plan())
        ledger.record(_event(EventKind.SESSION_JUDGED, key, score=score, numbers={"loss": score}, exit_code=0))
        record = ledger.session(key)
        assert record is not None and record.score == score


def test_a_row_of_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.record(_start())
        ledger.connection.execute("DELETE FROM runs")
        with pytest.raises(BadInput, match="is not a readable ledger: the row of run run is not there"):
            ledger.record(_event(EventKind.RUN_ENDED, None, "run", end_reason="x"))
        assert len(ledger.events()) == 1
