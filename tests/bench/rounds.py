"""Measures candidates in turn, round by round, so that other load on the machine affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tests.bench.peers.core_time import Timed
from tests.bench.rows import Measured, Row

Candidate = Callable[[], Measured]

_SLICE_S = 0.05


def keep_busy(act: Callable[[], int], seconds: float) -> Candidate:
    """A candidate that repeats `act` until its time is up.

    Core time is read only every 0.05 s, because reading it takes as long as a step of one crossing.

    Args:
        act: Does some work and returns how many decisions it was.
        seconds: Wall-clock time; the running `act` is finished.
    """

    def measured() -> Measured:
        decisions, spent = 0, Timed()
        while spent.wall_s < seconds:
            with spent:
                until_s = time.perf_counter() + _SLICE_S
                while time.perf_counter() < until_s:
                    decisions += act()
        return Measured(decisions=decisions, core_s=spent.core_s, wall_s=spent.wall_s)

    return measured


def in_turn(candidates: Mapping[str, Candidate], rounds: int, log: Callable[[str], None]) -> dict[str, Row]:
    """Measure each candidate in each round.

    Returns:
        Name -> its rounds. A candidate that fails is logged and skipped from then on; its earlier rounds count.
    """
    found: dict[str, list[Measured]] = {name: [] for name in candidates}
    failed: set[str] = set()
    for number in range(1, rounds + 1):
        for name, candidate in candidates.items():
            if name in failed:
                continue
            try:
                found[name].append(candidate())
            except PeerFailed as fault:
                failed.add(name)
                log(f"skipped: {name}: {fault}")
        log(f"round {number} of {rounds}")
    return {name: Row(name=name, rounds=tuple(measured)) for name, measured in found.items() if measured}


class PeerFailed(Exception):
    """A peer's program ended without an answer."""
