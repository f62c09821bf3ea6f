"""Hostile bytes of every kind are read or refused with a message: no other exception, no control characters.

`make prove-fuzz` does the same at length.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.kernel.reading.json_text import Unreadable, read_json, shown
from tests.fuzz import trying
from tests.fuzz.kind import Kind
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutation import mutated
from tests.fuzz.trying import Tally, try_input


@pytest.mark.parametrize("name", KINDS)
def test_hostile_bytes_are_read_or_refused(name: str) -> None:
    kind, tally = KINDS[name], Tally(name)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(kind.seeds), st.randoms(use_true_random=False))
    def draw(example: bytes, rng: Random) -> None:
        try_input(kind, mutated(example, rng), tally)
        assert not tally.crashes

    draw()
    assert tally.inputs >= 12


@pytest.mark.parametrize("name", KINDS)
def test_the_examples_themselves_are_accepted(name: str) -> None:
    tally = Tally(name)
    for example in KINDS[name].seeds:
        try_input(KINDS[name], example, tally)
    assert (tally.refused, tally.crashes) == (0, {})


def test_many_keys_are_compared_in_a_moment() -> None:
    pairs = ",".join(f'"{number}": 1' for number in range(200_000))
    with pytest.raises(Unreadable, match="the key '7' is given twice"):
        read_json(f'{{{pairs}, "7": 2}}')


def test_a_long_text_is_shown_by_its_first_characters_only() -> None:
    """It may be a secret, and no mask would find a part of it."""
    assert (shown("x" * 38), shown("x" * 39)) == (repr("x" * 38), f"'{'x' * 11}...")


@pytest.mark.parametrize(
    ("cpu_s", "wall_s", "crash"),
    [(1.0, 59.0, ""), (6.0, 6.0, "more than 5 s of CPU (6 s)"), (0.1, 61.0, "more than 60 s (61 s)")],
)
def test_the_time_limit_of_an_input_counts_what_it_computes_and_not_what_others_do(
    cpu_s: float, wall_s: float, crash: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trying, "KEPT", tmp_path)
    tally, kind = Tally("slow"), Kind(name="slow", seeds=(b"x",), read=lambda *_: True)
    try_input(kind, b"x", tally, cpu=iter((10.0, 10.0 + cpu_s)).__next__, wall=iter((50.0, 50.0 + wall_s)).__next__)
    assert [crash in one for one in tally.crashes.values()] == ([True] if crash else [])
