"""The arithmetic of the benchmark on made-up rounds: medians, ratios, shares, goals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.rounds import PeerFailed, in_turn, keep_busy
from tests.bench.rows import (
    DQN,
    OURS,
    OURS_ONE,
    PPO,
    PPO_SUMO_RL,
    SUMO_RL,
    SUMO_RL_LEAN,
    SUMO_RL_TRACI,
    Measured,
    Roofs,
    Row,
    goals_of,
    ratio,
)

PEERS = Path(__file__).parents[2] / "bench/peers"


def row(name: str, *rates: float) -> Row:
    """A row of rounds that took 2 s of core time and 4 s of wall time each."""
    rounds = tuple(Measured(decisions=round(2 * rate), core_s=2.0, wall_s=4.0) for rate in rates)
    return Row(name=name, rounds=rounds)


def test_a_row_shows_the_median_of_its_rounds_by_core_time() -> None:
    slow = row("x", 100.0, 900.0, 120.0, 110.0, 105.0)
    assert slow.per_core_s == 110.0 and slow.per_wall_s == 55.0
    assert slow.core_share == 0.5 and slow.spread == 9.0
    assert slow.delay_s is None and slow.plain()["decisions_per_core_s"] == 110.0


def test_a_ratio_uses_the_faster_variant_of_a_peer() -> None:
    rows = {OURS: row(OURS, 1000.0), SUMO_RL: row(SUMO_RL, 10.0), SUMO_RL_LEAN: row(SUMO_RL_LEAN, 25.0)}
    assert ratio(rows, OURS, SUMO_RL) == 100.0
    assert ratio(rows, OURS, SUMO_RL, SUMO_RL_LEAN) == 40.0
    assert ratio(rows, OURS, SUMO_RL_TRACI) is None and ratio({}, OURS, SUMO_RL) is None


def test_a_goal_is_met_not_met_or_not_measured() -> None:
    rates = {OURS: 1.5e5, OURS_ONE: 1.19e4, SUMO_RL: 1e3, SUMO_RL_LEAN: 3.1e3, PPO: 2e4, PPO_SUMO_RL: 500.0, DQN: 1.0}
    answers = {goal.text: goal.answer for goal in goals_of({name: row(name, rate) for name, rate in rates.items()})}
    assert answers == {
        "decisions/s at 64 environments": "met",
        "decisions/s at one environment": "not met",
        "times sumo-rl + libsumo": "not met",
        "times sumo-rl over TraCI": "not measured",
        "times UXsim C++": "not measured",
        "PPO decisions/s end to end": "met",
        "times PPO on sumo-rl + libsumo": "met",
    }


def test_shares_of_the_compute_and_memory_limits() -> None:
    roofs = Roofs(flop_per_s=46e9, bytes_per_s=32e9)
    assert roofs.compute_share(1e9) == 0.5 and roofs.memory_share(1e9) == 1.0


def test_rounds_alternate_and_a_failing_peer_is_reported_and_skipped() -> None:
    order: list[str] = []
    messages: list[str] = []

    def candidate(name: str, last: int) -> Measured:
        order.append(name)
        if order.count(name) > last:
            raise PeerFailed("it fell")
        return Measured(decisions=order.count(name), core_s=1.0, wall_s=1.0)

    limits = {"a": 9, "b": 1, "c": 0}
    rows = in_turn({name: lambda n=name, m=last: candidate(n, m) for name, last in limits.items()}, 3, messages.append)
    assert order == ["a", "b", "c", "a", "b", "a"]
    assert {name: found.per_core_s for name, found in rows.items()} == {"a": 2.0, "b": 1.0}
    assert [line for line in messages if line.startswith("skipped")] == ["skipped: c: it fell", "skipped: b: it fell"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the bench reads core time from Linux")
def test_work_is_measured_in_core_time_and_wall_time() -> None:
    measured = keep_busy(lambda: sum(range(20_000)) and 64, 0.01)()
    assert measured.decisions % 64 == 0 and measured.decisions > 0
    assert measured.wall_s >= 0.01 and measured.core_s > 0.0


def test_the_programs_of_peers_do_not_import_this_project() -> None:
    programs = list(PEERS.glob("*.py"))
    assert len(programs) >= 6
    for path in programs:
        text = path.read_text(encoding="utf-8")
        assert not any(ours in text for ours in ("validation_ch7", "orchestrator", "kernel_runtime", "tests."))
