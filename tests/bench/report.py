"""The tables of the bench, as Markdown."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from tests.bench.ours import BATCHES, CHECKED_HOURS, cells_per_s
from tests.bench.rows import DQN, DQN_SUMO_RL, OURS, OURS_ONE, PPO, PPO_SUMO_RL, Goal, Roofs, Row, ratio, step_name
from tests.bench.task import CELLS_PER_DECISION, EW_VEH_H, NS_VEH_H, SETTINGS

FAIRNESS = f"""\
What is compared: the same hour of the same crossing, {SETTINGS.decision_s:.0f} s a decision. Ours is macroscopic: \
{CELLS_PER_DECISION:,} cell updates a decision (240 cells of {SETTINGS.traffic.dx_m:.0f} m, steps of \
{SETTINGS.traffic.dt_s} s) and no single vehicles. SUMO moves each vehicle every second (its mesoscopic model, from \
queue to queue), UXsim platoons of 5 every 5 s or single vehicles every second. Ours steps 64 crossings in one call; \
the column for one crossing is beside it, because a peer's process holds only one. Starting a simulator and building \
its network is not timed; our new episodes are. Delay counts waiting to enter, and is no measure of who is right: \
ours and microscopic SUMO are close; the mesoscopic model and UXsim let queues discharge more easily, so theirs is a \
lighter task."""


def machine() -> str:
    """The machine in words, without its name."""
    model, memory = "an unknown processor", ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = f"{len(named)} cores of {named[0]}" if named else model
        kilobytes = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1])
        memory = f", {kilobytes / 1024**2:.0f} GiB of memory"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch", "stable-baselines3"))
    return f"{model}{memory}, {platform.system()}; CPython {platform.python_version()}, {libraries}"


def environment_table(rows: Mapping[str, Row], roofs: Roofs) -> Iterator[str]:
    """Rates of whole steps by batch size, with their share of the core's peak."""
    yield from _head("environments", "decisions/s", "cell updates/s", "of the FMA peak", "of the memory bandwidth")
    for batch in BATCHES:
        rate = rows[step_name(batch)].per_core_s
        cells = cells_per_s(rate)
        shares = f"{roofs.compute_share(cells):.0%} | {roofs.memory_share(cells):.0%}"
        yield f"| {batch} | {rate:,.0f} | {cells:.2e} | {shares} |"
    yield ""
    yield (
        f"Measured beside it: {roofs.flop_per_s / 1e9:.1f} GFLOP/s (product of float64 matrices),"
        f" {roofs.bytes_per_s / 1e9:.1f} GB/s (triad)."
    )


def threads_table(rows: Mapping[str, Row]) -> Iterator[str]:
    """Rates per wall-clock second with one and two threads."""
    yield from _head("environments", "1 thread, decisions/s", "2 threads, decisions/s", "ratio", "cores given to 2")
    for batch in BATCHES:
        one, two = rows[f"{step_name(batch)}, 1 thread"], rows[f"{step_name(batch)}, 2 threads"]
        speedup = two.per_wall_s / one.per_wall_s
        yield f"| {batch} | {one.per_wall_s:,.0f} | {two.per_wall_s:,.0f} | {speedup:.2f} | {two.core_share:.2f} |"


def solver_table(rows: Mapping[str, Row]) -> Iterator[str]:
    """Rates of the solvers without the environment."""
    yield from _head("solver, environments", "decisions/s", "cell updates/s")
    for name, row in rows.items():
        yield f"| {name} | {row.per_core_s:,.0f} | {cells_per_s(row.per_core_s):.2e} |"


def peer_table(rows: Mapping[str, Row], peers: list[str]) -> Iterator[str]:
    """Each peer beside ours, with 64 crossings and with one."""
    yield from _head("peer", "decisions/s", "ours, 64 crossings", "ours, 1 crossing", "fastest/slowest", "core given")
    for name in [OURS, OURS_ONE, *peers]:
        row = rows[name]
        many, one = ratio(rows, OURS, name), ratio(rows, OURS_ONE, name)
        shares = f"{many:,.1f}x | {one:,.1f}x | {row.spread:.2f} | {row.core_share:.0%}"
        yield f"| {name} | {row.per_core_s:,.0f} | {shares} |"


def learning_table(rows: Mapping[str, Row]) -> Iterator[str]:
    """Training end to end."""
    yield from _head("learner", "decisions/s, ours", "decisions/s, sumo-rl + libsumo", "ratio")
    for name, ours, peer in (("PPO", PPO, PPO_SUMO_RL), ("DQN", DQN, DQN_SUMO_RL)):
        times = ratio(rows, ours, peer)
        peer_rate = f"{rows[peer].per_core_s:,.0f}" if peer in rows else "not measured"
        yield f"| {name} | {rows[ours].per_core_s:,.0f} | {peer_rate} | {'' if times is None else f'{times:.1f}x'} |"


def delay_table(rows: Mapping[str, Row], peers: list[str], ours: tuple[float, float]) -> Iterator[str]:
    """Mean delay in each system, as a cross-check."""
    yield from _head("system", "mean delay, s per vehicle", "vehicles")
    yield f"| ours, mean of {CHECKED_HOURS} hours | {ours[0]:.2f} | {ours[1]:,.0f} |"
    for name in peers:
        if rows[name].delay_s is not None:
            yield f"| {name} | {rows[name].delay_s:.2f} | {rows[name].vehicles:,.0f} |"
    yield ""
    yield (
        f"Alternating greens of 26-30 s, {NS_VEH_H:.0f} veh/h on each of the north and south approaches,"
        f" {EW_VEH_H:.0f} on east and west."
    )


def goal_table(goals: list[Goal]) -> Iterator[str]:
    """Goals and results."""
    yield from _head("goal", "wanted", "found", "")
    for goal in goals:
        found = "" if goal.found is None else f"{goal.found:,.0f}"
        yield f"| {goal.text} | {goal.wanted:,.0f} | {found} | {goal.answer} |"


def _head(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|---" * len(names) + "|"
