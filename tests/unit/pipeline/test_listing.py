"""A tick reads the backend's listing and the quota once, however many sessions it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from orchestrator.core.errors import RemoteUnavailable
from orchestrator.pipeline.context import Listing
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.world import SimBackend, World


class ListedNames:
    name = "kaggle"

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)

    def names(self, prefix: str) -> Sequence[str]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [name for name in answer if name.startswith(prefix)]


def test_names_are_sorted_by_lineage_and_read_once() -> None:
    mine, other = "arz-validation-section-7-6-aaaaaaaa-s01", "arz-validation-section-7-6-bbbbbbbb-s01-a2"
    backend, listing = ListedNames([mine, other, "arz-validation-section-7-6-notes", "titanic"]), Listing()
    assert listing.names(backend, "section_7_6", "a" * 64) == [mine]
    assert listing.names(backend, "section_7_6", "b" * 64) == [other]
    assert list(listing.names(backend, "section_7_6", "c" * 64)) == []


def test_a_listing_that_could_not_be_read_is_read_again() -> None:
    backend, listing = (
        ListedNames(RemoteUnavailable("500", transient=True), ["arz-validation-s-aaaaaaaa-s01"]),
        Listing(),
    )
    with pytest.raises(RemoteUnavailable):
        listing.names(backend, "s", "a" * 64)
    assert len(listing.names(backend, "s", "a" * 64)) == 1


def test_a_tick_reads_listing_and_quota_once_and_polls_each_ended_session_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    for verb in ("names", "observe", "quota"):
        monkeypatch.setattr(SimBackend, verb, _recording(getattr(SimBackend, verb), calls))
    campaign, trials = expanded(SMALL.replace("concurrency: 2", "concurrency: 4"))
    world = World(clock=FakeClock(), slots=4, weekly_s=100 * 3600.0)
    computer = Computer(world, campaign, trials)
    computer.tick()
    assert world.submits == 4
    assert sorted(calls) == ["names", "quota"]
    world.clock.sleep(10 * 3600.0)
    computer.tick()
    assert world.submits == 8
    assert sorted(calls[2:]) == ["names", *["observe"] * 4, "quota"]


def _recording(act: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def recorded(*words: Any) -> Any:
        calls.append(act.__name__)
        return act(*words)

    return recorded
