"""A row states `no claim` only for the end that was recorded last."""

from __future__ import annotations

from typing import Any

from orchestrator.core.ledger.events import Event, EventKind, fold_run
from orchestrator.core.ledger.records import RunRecord

STARTED = {
    "section": "s",
    "lineage_id": "l",
    "profile": "quick",
    "backend": "local",
    "target_steps": 40,
    "steps_start": 0,
    "steps_done": 0,
}


def run_after(*ends: dict[str, Any]) -> RunRecord:
    run = fold_run(None, Event(kind=EventKind.RUN_STARTED, at="t", run_id="r", session=None, body=STARTED))
    for end in ends:
        body = {"end_reason": "finished", "verdict": None, "steps_done": 40, **end}
        run = fold_run(run, Event(kind=EventKind.RUN_ENDED, at="t", run_id="r", session=None, body=body))
    return run


def test_a_run_without_a_verdict_is_evaluated_only_without_a_claim() -> None:
    assert not run_after({}).evaluated  # as earlier versions recorded it
    assert run_after({"no_claim": True}).evaluated
    assert run_after({"verdict": "supported"}).evaluated


def test_a_later_end_without_the_key_takes_it_back() -> None:
    run = run_after({"no_claim": True}, {})
    assert (run.no_claim, run.evaluated) == (False, False)
