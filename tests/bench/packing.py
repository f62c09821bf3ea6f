"""Throughput of trainings that share a kernel: `python -m tests.bench.packing [TRAININGS] [STEPS]`.

Runs the rendered script of section 7.6 with one training and with several, and prints steps per second of both and
the load of the computer meanwhile. One core for each training is needed for a fair figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.script import Companion, render_kernel
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.kernel.environment.processor import ONE_THREAD
from orchestrator.kernel.wire import Ticket
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore

ROOT = Path(__file__).resolve().parents[2]


def main(trainings: int, steps: int) -> None:
    """Measure one training, then `trainings` of them in one kernel."""
    alone_s, packed_s = _seconds(1, steps), _seconds(trainings, steps)
    alone, packed = steps / alone_s, trainings * steps / packed_s
    print(f"one training: {alone_s:.1f} s, {alone:.0f} steps/s")
    print(f"{trainings} in one kernel: {packed_s:.1f} s, {packed:.0f} steps/s together, {packed / alone:.2f} times one")
    print(f"{os.cpu_count()} cores, load of the last minute {os.getloadavg()[0]:.1f}")


def _seconds(trainings: int, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "kernel.py"
        script.write_text(_script(trainings, steps), encoding="utf-8")
        environ = {**os.environ, **ONE_THREAD, "ORCHESTRATOR_KAGGLE_ROOT": str(Path(folder) / "kaggle")}
        began_s = time.monotonic()
        subprocess.run([sys.executable, str(script)], env=environ, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began_s


def _script(trainings: int, steps: int) -> str:
    code, card = CodeStore(ROOT), load_card(ROOT / "configs/sections", "section_7_6")
    bundle = code.bundle(card)
    tickets = [_ticket(card.chosen(algorithm="PPO", seed=seed), steps, bundle.digest) for seed in range(trainings)]
    companions = [Companion(ticket=ticket) for ticket in tickets[1:]]
    return render_kernel(
        code.template(), ticket=tickets[0], bundle=bundle, title="bench", version="0", companions=companions
    )


def _ticket(card: SectionCard, steps: int, digest: str) -> Ticket:
    sizes = replace(card.profiles["quick"], target_steps=steps, checkpoint_every_steps=steps, evaluation_scenarios=20)
    spec = SessionSpec(card=card, profile="quick", sizes=sizes, backend="local", session_device="cpu")
    return write_ticket(
        spec, run_id="bench", session=1, attempt=1, nonce=f"{card.seed + 1:032x}", bundle_digest=digest, inputs=()
    )


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("4", "20000")[len(sys.argv) - 1 :])))
