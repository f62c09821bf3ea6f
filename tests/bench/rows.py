"""Measurements and what is computed from them: medians, ratios, shares, goals. No clock, no process."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measured interval of work.

    Attributes:
        decisions: Control decisions of one crossing made in it, ten simulated seconds each.
        core_s: User and system seconds of the program and the simulators it started.
        wall_s: Wall-clock seconds.
        delay_s: Mean delay per vehicle in s, if measured.
        vehicles: Number of vehicles in that mean.
    """

    decisions: int
    core_s: float
    wall_s: float
    delay_s: float | None = None
    vehicles: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate's rounds, at least one."""

    name: str
    rounds: tuple[Measured, ...]

    @property
    def per_core_s(self) -> float:
        """Decisions per second of core time, median of the rounds.

        On a quiet machine it equals the wall-clock rate; on a busy one it leaves out the time of other processes.
        """
        return statistics.median(one.decisions / one.core_s for one in self.rounds)

    @property
    def per_wall_s(self) -> float:
        """Decisions per second by the clock, median of the rounds."""
        return statistics.median(one.decisions / one.wall_s for one in self.rounds)

    @property
    def spread(self) -> float:
        """Fastest over slowest round, by core time."""
        rates = [one.decisions / one.core_s for one in self.rounds]
        return max(rates) / min(rates)

    @property
    def core_share(self) -> float:
        """Share of a core that it got while it ran; above 1 with several threads."""
        return sum(one.core_s for one in self.rounds) / sum(one.wall_s for one in self.rounds)

    @property
    def delay_s(self) -> float | None:
        """Mean delay per vehicle in s, of the first round that measured it."""
        return next((one.delay_s for one in self.rounds if one.delay_s is not None), None)

    @property
    def vehicles(self) -> float | None:
        """Number of vehicles in that mean."""
        return next((one.vehicles for one in self.rounds if one.vehicles is not None), None)

    def plain(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "decisions_per_core_s": self.per_core_s,
            "decisions_per_wall_s": self.per_wall_s,
            "core_share": self.core_share,
            "spread": self.spread,
            "delay_s": self.delay_s,
            "vehicles": self.vehicles,
            "rounds": [[one.decisions, one.core_s, one.wall_s] for one in self.rounds],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A performance goal.

    Attributes:
        text: Name of the value.
        wanted: At least this.
        found: What was measured; None if the peer is not installed.
    """

    text: str
    wanted: float
    found: float | None

    @property
    def answer(self) -> str:
        """`met`, `not met`, or `not measured`."""
        if self.found is None:
            return "not measured"
        return "met" if self.found >= self.wanted else "not met"


def step_name(batch: int) -> str:
    """Name in the tables of the whole environment with this many crossings."""
    return f"VecEnv.step, {batch} environment{'s' if batch > 1 else ''}"


OURS_ONE, OURS = step_name(1), step_name(64)
SUMO_RL, SUMO_RL_LEAN = "sumo-rl, libsumo", "sumo-rl, libsumo, no infos"
SUMO_RL_TRACI = "sumo-rl, TraCI"
UXSIM_CPP = "UXsim C++, platoons of 5"
PPO, PPO_SUMO_RL = "PPO, ours", "PPO, sumo-rl + libsumo"
DQN, DQN_SUMO_RL = "DQN, ours", "DQN, sumo-rl + libsumo"


def goals_of(rows: Mapping[str, Row]) -> list[Goal]:
    """The goals with their results. If a peer ran in two variants, the faster one counts.

    Args:
        rows: Name -> candidate; peers may be missing.
    """
    return [
        Goal(text="decisions/s at 64 environments", wanted=1.5e5, found=_rate(rows, OURS)),
        Goal(text="decisions/s at one environment", wanted=1.2e4, found=_rate(rows, OURS_ONE)),
        Goal(text="times sumo-rl + libsumo", wanted=50.0, found=ratio(rows, OURS, SUMO_RL, SUMO_RL_LEAN)),
        Goal(text="times sumo-rl over TraCI", wanted=500.0, found=ratio(rows, OURS, SUMO_RL_TRACI)),
        Goal(text="times UXsim C++", wanted=8.0, found=ratio(rows, OURS, UXSIM_CPP)),
        Goal(text="PPO decisions/s end to end", wanted=1.5e4, found=_rate(rows, PPO)),
        Goal(text="times PPO on sumo-rl + libsumo", wanted=10.0, found=ratio(rows, PPO, PPO_SUMO_RL)),
    ]


def ratio(rows: Mapping[str, Row], ours: str, *peers: str) -> float | None:
    """Our rate over that of the fastest of these peers; None if none was measured."""
    rates = [rows[peer].per_core_s for peer in peers if peer in rows]
    return rows[ours].per_core_s / max(rates) if rates and ours in rows else None


def _rate(rows: Mapping[str, Row], name: str) -> float | None:
    return rows[name].per_core_s if name in rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofs:
    """Peak rates of the core, measured with the candidates.

    Attributes:
        flop_per_s: Floating-point operations in a product of matrices (fused multiply-adds), float64.
        bytes_per_s: Bytes read and written by a triad over arrays far larger than the caches.
    """

    flop_per_s: float
    bytes_per_s: float

    def compute_share(self, cells_per_s: float) -> float:
        """Share of the peak that the operations of these cell updates use."""
        return cells_per_s * FLOP_PER_CELL / self.flop_per_s

    def memory_share(self, cells_per_s: float) -> float:
        """Bandwidth for reading and writing every state from and to memory, over the measured bandwidth.

        Above 1 only because blocks stay in the cache for a whole decision.
        """
        return cells_per_s * BYTES_PER_CELL / self.bytes_per_s


FLOP_PER_CELL = 23
"""Additions, multiplications, comparisons and the division of one cell in `numba_kernel/cells.py`, counted by hand."""

BYTES_PER_CELL = 32
"""Density and attribute, read and written, 8 bytes each."""
