"""One tick at a time per machine: a killed holder does not block others, a suspended one loses the lease."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.ledger.lease import LEASE_S, SqliteLease, SqliteRefusals
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock


class Shell:
    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.ledger = SqliteLedger(root / "ledger.sqlite")
        self.lease = SqliteLease(self.ledger, root / "campaigns.lock", clock.now)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shells(tmp_path: Path, clock: FakeClock) -> Iterator[tuple[Shell, Shell]]:
    both = Shell(tmp_path, clock), Shell(tmp_path, clock)
    yield both
    for shell in both:
        shell.ledger.close()


def test_the_second_program_gets_the_lease_after_its_release(shells: tuple[Shell, Shell]) -> None:
    first, second = shells
    assert first.lease.take() and first.lease.holds()
    assert not second.lease.take() and not second.lease.holds()
    first.lease.release()
    assert second.lease.take() and not first.lease.holds()


def test_a_suspended_holder_loses_the_lease_and_notices(shells: tuple[Shell, Shell], clock: FakeClock) -> None:
    first, second = shells
    assert first.lease.take()
    clock.sleep(LEASE_S - 1)
    assert first.lease.holds()  # renewed
    clock.sleep(LEASE_S - 1)
    assert not second.lease.take()
    clock.sleep(2)
    assert second.lease.take()
    assert not first.lease.holds() and second.lease.holds()


def test_a_killed_holder_does_not_block_the_next(tmp_path: Path, clock: FakeClock) -> None:
    code = (
        "import os, sys, signal; from pathlib import Path; from tests.unit.stores.ledger.test_lease import Shell; "
        "from tests.doubles.clock import FakeClock; shell = Shell(Path(sys.argv[1]), FakeClock()); "
        "assert shell.lease.take(); print('taken', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "taken\n" and done.returncode < 0
    shell = Shell(tmp_path, clock)
    assert shell.lease.take() and shell.lease.holds()
    shell.ledger.close()


def test_the_lease_lasts_a_quarter_of_an_hour_and_not_a_moment_longer(
    shells: tuple[Shell, Shell], clock: FakeClock
) -> None:
    first, second = shells
    assert first.lease.take()
    clock.sleep(899.5)
    assert not second.lease.take()
    clock.sleep(0.5)
    assert second.lease.take()


def test_a_released_lease_is_free_and_a_lease_that_was_never_taken_is_not_held(shells: tuple[Shell, Shell]) -> None:
    first, second = shells
    first.lease.release()  # nothing to release
    assert not first.lease.holds()
    assert first.lease.take()
    first.lease.release()
    assert not first.lease.holds()
    assert second.lease.take()
    first.lease.release()
    assert second.lease.holds(), "the release of an earlier holder takes nothing from the present one"


def test_a_program_that_has_lost_its_lease_takes_nothing_from_the_present_holder(
    tmp_path: Path, clock: FakeClock
) -> None:
    first, second = Shell(tmp_path, clock), Shell(tmp_path, clock)
    assert first.lease.take()
    clock.sleep(LEASE_S)
    assert second.lease.take()
    first.lease.release()
    assert second.lease.holds()
    third = Shell(tmp_path, clock)
    assert third.lease.take(), "the lock is free, so its last holder has ended"
    assert not second.lease.holds()
    for shell in (first, second, third):
        shell.ledger.close()


def until(shell: Shell) -> datetime:
    ((text,),) = shell.ledger.connection.execute("SELECT until FROM leases")
    return datetime.fromisoformat(text)


def test_a_release_ends_the_own_lease_and_no_other(shells: tuple[Shell, Shell], clock: FakeClock) -> None:
    first, second = shells
    assert first.lease.take()
    first.lease.release()
    assert until(first) == clock.now()
    assert first.lease.take()
    clock.sleep(LEASE_S)
    assert second.lease.take()
    first.lease.release()
    assert until(second) == clock.now() + timedelta(seconds=LEASE_S)


def test_a_held_lock_is_not_waited_for_and_its_folder_is_made(tmp_path: Path, clock: FakeClock) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    lease = SqliteLease(ledger, tmp_path / "new/deep/campaigns.lock", clock.now)
    assert lease.take() and lease._lock.timeout == 0
    lease.release()
    ledger.close()


def test_refusals_are_stored_replaced_and_removed(shells: tuple[Shell, Shell]) -> None:
    first, second = (SqliteRefusals(shell.ledger) for shell in shells)
    assert first.reasons() == {}
    first.store("a", "")
    first.store("a", "no GPU")
    first.store("b", "bad card")
    assert second.reasons() == {"a": "no GPU", "b": "bad card"}
    second.store("a", "too long")
    second.store("b", "")
    second.store("c", "")
    assert first.reasons() == {"a": "too long"}


def test_a_broken_table_of_refusals_is_not_taken_for_an_empty_one(shells: tuple[Shell, Shell]) -> None:
    shells[0].ledger.connection.execute("CREATE TABLE refusals (other TEXT)")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        SqliteRefusals(shells[0].ledger).reasons()


@pytest.mark.parametrize(
    "damage", ["number = 'x'", "until = 'x'", "number = -1", f"number = {2**63 - 1}", "until = x'ff'"]
)
def test_a_damaged_lease_is_named(damage: str, tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        lease = SqliteLease(ledger, tmp_path / "lock", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        assert lease.take()
        lease.release()
        ledger.connection.execute(f"UPDATE leases SET {damage}")
        with pytest.raises(BadInput, match=r"is not a readable ledger: the lease of the campaigns holds"):
            lease.take()


def test_a_damaged_lease_shows_its_number_and_its_time(tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        lease = SqliteLease(ledger, tmp_path / "lock", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        assert lease.take()
        ledger.connection.execute("UPDATE leases SET number = 'x', until = '2026-01-01T00:15:00+00:00'")
        with pytest.raises(BadInput, match=r"holds 'x' and '2026-01-01T00:15:00\+00:00'"):
            lease.take()


def test_a_folder_in_the_place_of_the_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        lease = SqliteLease(ledger, tmp_path / "lock", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        with pytest.raises(BadInput, match=r"cannot be used as the lock of the campaigns: it is a folder"):
            lease.take()


def test_a_refusal_that_is_no_text_is_not_shown(shells: tuple[Shell, Shell]) -> None:
    refusals = SqliteRefusals(shells[0].ledger)
    refusals.store("a", "no GPU")
    shells[0].ledger.connection.execute("UPDATE refusals SET why = x'00ff'")
    with pytest.raises(BadInput, match=r"the refusal of 'a' is .* instead of a text"):
        refusals.reasons()
