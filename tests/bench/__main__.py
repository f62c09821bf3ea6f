"""`make bench`: measures all candidates on one crossing, in turn, on one core; prints and writes tables and rounds.

Linux only: the peers' wheels, CPU pinning and reading a child's CPU time need it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from tests.bench import learning, ours, peering, report
from tests.bench.roofs import measure
from tests.bench.rounds import in_turn
from tests.bench.rows import DQN, PPO, Roofs, Row, goals_of, step_name
from tests.bench.task import ENVIRONMENT


def log(line: str) -> None:
    """Progress goes to standard error, tables to standard output."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each candidate in each round")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    if sys.platform != "linux":
        log("the bench runs on Linux only")
        return 2
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    torch.set_num_threads(1)
    roofs = measure(chosen.rounds)
    candidates = {step_name(batch): ours.environment(batch, chosen.seconds) for batch in ours.BATCHES}
    candidates |= {name: act for batch in (1, 64) for name, act in ours.solvers(batch, chosen.seconds).items()}
    candidates |= {PPO: learning.ours("PPO"), DQN: learning.ours("DQN")}
    simulators = peering.simulators(chosen.seconds, log)
    candidates |= simulators | peering.learners(1024, learning.for_one_environment(), log)
    rows = in_turn(candidates, chosen.rounds, log)
    os.sched_setaffinity(0, set(cores))
    rows |= _threads(chosen.rounds, chosen.seconds)
    checked = ours.checked_delay()
    text = _text(rows, [name for name in simulators if name in rows], roofs, checked, chosen.rounds)
    print(text)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "bench.md").write_text(text + "\n", encoding="utf-8")
    plain = {
        "machine": report.machine(),
        "environment": ENVIRONMENT,
        "flop_per_s": roofs.flop_per_s,
        "bytes_per_s": roofs.bytes_per_s,
        "delay_of_ours_s": checked[0],
        "rows": {name: row.plain() for name, row in rows.items()},
        "goals": {goal.text: [goal.wanted, goal.found, goal.answer] for goal in goals_of(rows)},
    }
    (chosen.out / "bench.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return 0


def _threads(rounds: int, seconds: float) -> dict[str, Row]:
    with ThreadPoolExecutor(2) as pool:
        candidates = {}
        for batch in ours.BATCHES:
            candidates[f"{step_name(batch)}, 1 thread"] = ours.environment(batch, seconds)
            candidates[f"{step_name(batch)}, 2 threads"] = ours.environment(batch, seconds, pool)
        return in_turn(candidates, rounds, log)


def _text(rows: dict[str, Row], peers: list[str], roofs: Roofs, checked: tuple[float, float], rounds: int) -> str:
    solvers = {name: row for name, row in rows.items() if name.partition(",")[0] in ("numba kernel", "numpy", "torch")}
    parts = {
        "Goals": report.goal_table(goals_of(rows)),
        "Whole `VecEnv.step`, one core": report.environment_table(rows, roofs),
        "Threads": report.threads_table(rows),
        "Solvers alone": report.solver_table(solvers),
        "Simulators": report.peer_table(rows, peers),
        "Learning end to end, stable-baselines3": report.learning_table(rows),
        "The same crossing?": report.delay_table(rows, peers, checked),
    }
    head = (
        f"{report.machine()}. One core, pinned; medians of {rounds} rounds, candidates in turn. Rates are per second of"
        " core time (program and simulator together), except for threads, whose rates are per wall-clock second."
    )
    tables = [f"### {title}\n\n" + "\n".join(lines) for title, lines in parts.items()]
    return "\n\n".join([head, *tables, report.FAIRNESS])


if __name__ == "__main__":
    sys.exit(main())
