"""`fast_replace` gives the same value as `dataclasses.replace`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from orchestrator.core.fast_replace import fast_replace
from orchestrator.core.ledger.records import RunRecord

RUN = RunRecord(
    run_id="r",
    section="s",
    lineage_id="l",
    profile="quick",
    backend="local",
    target_steps=10,
    steps_start=0,
    steps_done=0,
    started_at="t",
)


def test_a_changed_row_is_another_value() -> None:
    other = fast_replace(RUN, steps_done=5, verdict="supported")
    assert other == replace(RUN, steps_done=5, verdict="supported")
    assert RUN.steps_done == 0
    assert list(vars(other)) == list(vars(RUN)), "its text in the ledger has its fields in their order"
    with pytest.raises(FrozenInstanceError):
        other.steps_done = 6  # type: ignore[misc]


def test_no_row_has_an_undeclared_field() -> None:
    with pytest.raises(TypeError, match="RunRecord has no stepps"):
        fast_replace(RUN, stepps=5)
