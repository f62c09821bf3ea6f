"""Ledger rows are immutable, and their JSON text keeps the order of the fields."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from orchestrator.core.ledger.records import RunRecord
from orchestrator.stores.ledger.schema import dump, plain_row, run_of

RUN = RunRecord(
    run_id="r",
    section="s",
    lineage_id="l",
    profile="quick",
    backend="local",
    target_steps=10,
    steps_start=0,
    steps_done=0,
    started_at="2026-01-01T00:00:00+00:00",
)


def test_a_row_cannot_be_changed() -> None:
    other = replace(RUN, steps_done=5, verdict="supported")
    assert RUN.steps_done == 0
    with pytest.raises(FrozenInstanceError):
        other.steps_done = 6  # type: ignore[misc]  # frozen: the assignment must fail


def test_the_json_of_a_row_has_its_known_fields_in_order() -> None:
    text = dump(plain_row(RUN))
    known = [field.name for field in fields(RUN) if getattr(RUN, field.name) is not None]
    assert list(json.loads(text)) == known
    assert run_of(text) == RUN
