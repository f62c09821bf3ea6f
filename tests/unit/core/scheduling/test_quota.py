"""Hours that a campaign's sessions have used of a weekly quota, and which packs the ledger has whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.scheduling.packs import complete_packs
from orchestrator.core.scheduling.quota import promised_s, spent_s
from orchestrator.core.session.end_reason import EndReason

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)
HOUR_S = 3600.0


def session(name: str, *, kernel: str | None = "k", after_h: float = 0.0, hours: float | None = 1.0) -> SessionRecord:
    begun = BEGAN + timedelta(hours=after_h)
    ended = None if hours is None else begun + timedelta(hours=hours)
    return SessionRecord(
        key=name,
        run_id="r",
        lineage_id=name,
        session=1,
        attempt=1,
        slug=name,
        nonce=name,
        backend="kaggle",
        ticket={"spec": {"deadline_s": 4 * HOUR_S}},
        stage=Stage.SUBMITTED if hours is None else Stage.CLOSED,
        planned_at=begun.isoformat(),
        started_at=begun.isoformat(),
        ended_at=ended.isoformat() if ended else None,
        wall_s=hours * HOUR_S if hours else None,
        kernel=kernel,
        kernel_sessions=2,
    )


def test_a_kernel_counts_once_and_sessions_in_turn_count_both() -> None:
    assert spent_s([session("a"), session("b", hours=2.0)], BEGAN) == 2 * HOUR_S
    assert spent_s([session("a"), session("b", after_h=1.0, hours=2.0)], BEGAN) == 3 * HOUR_S
    assert spent_s([session("a", kernel=None), session("b", kernel=None)], BEGAN) == 2 * HOUR_S


def test_a_kernel_with_an_open_session_is_promised_and_not_spent_as_well() -> None:
    both = [session("a", hours=3.0), session("b", hours=None)]
    assert promised_s(both[1:]) == 4 * HOUR_S
    assert spent_s(both, BEGAN) == 0.0


def test_a_plan_that_was_never_submitted_does_not_complete_a_pack() -> None:
    """Another computer may have started a pack of the same name since: its sessions must still be looked for."""
    planned = replace(session("a"), end_reason=EndReason.NEVER_SUBMITTED)
    assert complete_packs([planned, session("b")]) == frozenset()
    assert complete_packs([planned, session("b"), session("c")]) == {"k"}
