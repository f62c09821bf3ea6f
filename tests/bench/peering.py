"""Peers as candidates: each program runs with the Python of its own environment, on the core we are pinned to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.rounds import Candidate, PeerFailed
from tests.bench.rows import (
    DQN_SUMO_RL,
    PPO_SUMO_RL,
    SUMO_RL,
    SUMO_RL_LEAN,
    SUMO_RL_TRACI,
    UXSIM_CPP,
    Measured,
)
from tests.bench.task import for_peers

PROGRAMS = Path(__file__).with_name("peers")
ENVIRONMENTS = Path(__file__).parents[2] / ".bench-peers"
PATIENCE_S = 600.0
LIBSUMO = {"LIBSUMO_AS_TRACI": "1"}


def simulators(seconds: float, log: Callable[[str], None]) -> dict[str, Candidate]:
    """The installed simulators of the task."""
    steps, raw, uxsim = "sumo_rl_steps", "raw_libsumo", "uxsim_crossing"
    wanted = {
        SUMO_RL_TRACI: _peer("sumo", steps, {}, seconds=seconds),
        SUMO_RL: _peer("sumo", steps, LIBSUMO, seconds=seconds),
        SUMO_RL_LEAN: _peer("sumo", steps, LIBSUMO, seconds=seconds, infos=False),
        "libsumo alone, microscopic": _peer("sumo", raw, {}, seconds=seconds, meso=False),
        "libsumo alone, mesoscopic": _peer("sumo", raw, {}, seconds=seconds, meso=True),
    }
    for name, cpp, deltan, by_decision in (
        ("UXsim Python, platoons of 5", False, 5, True),
        (UXSIM_CPP, True, 5, True),
        ("UXsim C++, single vehicles", True, 1, True),
        ("UXsim C++, platoons of 5, a fixed hour in one call", True, 5, False),
    ):
        wanted[name] = _peer("uxsim", uxsim, {}, seconds=seconds, cpp=cpp, deltan=deltan, by_decision=by_decision)
    return _installed(wanted, log)


def learners(decisions: int, settings: Mapping[str, Mapping[str, Any]], log: Callable[[str], None]) -> Any:
    """The same library learning on sumo-rl.

    Args:
        decisions: Number of decisions to train for.
        settings: Algorithm -> arguments of its class there.
        log: Called with one line for each missing peer.
    """
    wanted = {
        name: _peer(
            *("sumo", "sumo_rl_training", LIBSUMO),
            **{"algorithm": algorithm, "decisions": decisions, "network": [64, 64], "learner": settings[algorithm]},
        )
        for name, algorithm in ((PPO_SUMO_RL, "PPO"), (DQN_SUMO_RL, "DQN"))
    }
    return _installed(wanted, log)


def _installed(wanted: Mapping[str, tuple[str, Candidate]], log: Callable[[str], None]) -> dict[str, Candidate]:
    here = {}
    for name, (environment, candidate) in wanted.items():
        if (ENVIRONMENTS / environment / ".ready").exists():
            here[name] = candidate
        else:
            log(f"skipped: {name} is not installed (make bench-peers)")
    return here


def _peer(environment: str, program: str, variables: Mapping[str, str], **more: Any) -> tuple[str, Candidate]:
    python = ENVIRONMENTS / environment / "bin/python"
    calls = 0

    def measured() -> Measured:
        nonlocal calls
        calls += 1  # the delay never changes, so only the first call measures it
        words = [str(python), str(PROGRAMS / f"{program}.py"), json.dumps(for_peers(measure_delay=calls == 1, **more))]
        own = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **variables}
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *LIBSUMO)}
        try:
            done = subprocess.run(
                words, env={**kept, **own}, capture_output=True, text=True, timeout=PATIENCE_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as fault:
            last_line = (getattr(fault, "stderr", None) or "").strip().splitlines()[-1:]
            raise PeerFailed(" ".join([type(fault).__name__, *last_line])) from fault
        return Measured(**json.loads(done.stdout.splitlines()[-1]))

    return environment, measured
