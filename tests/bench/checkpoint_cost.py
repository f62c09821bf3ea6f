"""Cost of checkpoints as Markdown tables: sizes, save time beside the disk's limit, restore time, share of training.

Run by `make bench-checkpoints`. The trainings are those of the section's card with full replay buffers of the real
crossing. Candidates are measured in turn, round by round, so that other load on the machine affects all of them alike;
each figure is the best of its rounds, since other load only adds time. Shares of training time come from one run and
include other load.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.spec import SessionSpec
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import CHECKPOINTS, Ticket, digest_of
from orchestrator.sb3.checkpoint import save as checkpointing
from orchestrator.sb3.checkpoint.resume import begin_training
from orchestrator.sb3.checkpoint.save import save_is_due, save_training
from orchestrator.sb3.rollout_callback import LeftAtBoundary, SafeBoundary
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.sb3.training.training_state import TrainingState
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.section.card_yaml import load_card
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world

ROOT = Path(__file__).parents[2]
ROUNDS = 7
FULL_BUFFER_STEPS = 100_000
SUFFIXES = (".zip", ".npz", ".json")


def context_of(algorithm: str, working: Path, **sizes: Any) -> SessionContext:
    """A session context on this computer, without printed output."""
    card = load_card(ROOT / "configs/sections", "section_7_6").chosen(algorithm=algorithm)
    wanted = RunRequest(card=card, profile="full").sizes(0)
    spec = SessionSpec(card=card, profile="full", sizes=replace(wanted, **sizes), backend="local").to_json()
    spec = {**json.loads(json.dumps(spec)), "deadline_s": None}
    ticket = Ticket(
        run_id="bench",
        session=1,
        attempt=1,
        nonce="bench",
        section=spec["section"],
        section_dir=spec["section_dir"],
        lineage_id=digest_of(spec["lineage"]),
        spec=spec,
        spec_digest=digest_of(spec),
        bundle_digest="0" * 64,
    )
    working.mkdir(parents=True, exist_ok=True)

    def now() -> datetime:
        return datetime.now(UTC)

    return SessionContext(
        ticket=ticket,
        models_dir=working / "models",
        metrics_dir=working / "metrics",
        figures_dir=working / "figures",
        deadline=SoftDeadline(None, monotonic=time.monotonic, started_s=time.monotonic()),
        stop=StopFlag(),
        reporter=Reporter(working / "events.jsonl", echo=lambda line: None, now=now, monotonic=time.monotonic),
        now=now,
        monotonic=time.monotonic,
    )


def full_training(algorithm: str, working: Path, **sizes: Any) -> TrainingState:
    """A training whose replay buffer is full of real transitions; it has learned a little."""
    context = context_of(algorithm, working, **sizes)
    training = begin_training(context, TrainingSpec.from_json(context.ticket.spec), traffic_world())
    model: Any = training.model
    if hasattr(model, "replay_buffer"):
        starts, model.learning_starts = model.learning_starts, FULL_BUFFER_STEPS
        model.learn(FULL_BUFFER_STEPS, reset_num_timesteps=False)
        model.learning_starts = starts
    model.learn(100 * model.n_envs, reset_num_timesteps=False)
    return training


@dataclass(frozen=True, kw_only=True)
class Took:
    """Wall-clock seconds, and CPU seconds of this process; other load on the machine raises only the first."""

    wall_s: float
    cpu_s: float


def best(candidates: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, Took]:
    """Lowest times of each candidate, measured in turn."""
    readings: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, act in candidates.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            act()
            readings[name].append((time.perf_counter() - wall_s, time.process_time() - cpu_s))
    return {
        name: Took(wall_s=min(wall for wall, _ in pairs), cpu_s=min(cpu for _, cpu in pairs))
        for name, pairs in readings.items()
    }


def save_again(training: TrainingState) -> None:
    """Save the current state in full, as if no save existed: files, digests, card, rotation, metadata."""
    training.parent = None
    save_training(training)


def durable(parts: Mapping[Path, bytes]) -> None:
    """The least work for these bytes: sha256, write, fsync."""
    for path, content in parts.items():
        hashlib.sha256(content).hexdigest()
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def measure_writing(algorithm: str, folder: Path) -> str:
    """One row: sizes, and save times beside their lower limit."""
    training = full_training(algorithm, folder / algorithm)
    save_again(training)
    checkpoints = training.context.models_dir / CHECKPOINTS
    parts = {folder / path.name: path.read_bytes() for path in sorted(checkpoints.iterdir())}
    took = best({"save": lambda: save_again(training), "limit": lambda: durable(parts)})
    sizes = {suffix: sum(len(parts[path]) for path in parts if path.name.endswith(suffix)) for suffix in SUFFIXES}
    row = " | ".join(f"{size / 1e6:.3f}" for size in sizes.values())
    save, limit = took["save"], took["limit"]
    times = " | ".join(f"{seconds * 1e3:.1f}" for seconds in (save.wall_s, limit.wall_s, save.cpu_s, limit.cpu_s))
    shares = " | ".join(f"{100 * save.wall_s / apart_s:.2f} %" for apart_s in (30.0, 5.0))
    return f"| {algorithm} | {row} | {times} | {shares} |"


def measure_reading(folder: Path) -> None:
    """Verifying and restoring two checkpoints with full buffers, beside sha256 and sha256 + copy of the same bytes."""
    training = full_training("DQN", folder / "reading")
    save_training(training)
    training.model.learn(training.model.n_envs, reset_num_timesteps=False)
    save_training(training)
    root, scenario = training.context.models_dir, training.plan.scenario
    directory = ModelsDirectory(folder / "restored" / "models", scenario)
    view = ModelsDirectory(root, scenario).view()
    incoming = FetchedCheckpoints(root=root, verified=view.verified, entries=view.entries)
    size_bytes = sum(entry.size_bytes for entry in incoming.entries)
    tokens = itertools.count()

    def restore() -> None:
        token = f"round-{next(tokens)}"
        directory.replace_with(incoming, token)
        directory.discard_archive(token)

    def limit() -> None:
        durable({folder / f"copy-{number}": (root / entry.path).read_bytes() for number, entry in enumerate(files)})

    files = incoming.entries
    took = best(
        {
            "sha256 of the files": lambda: [sha256_file(root / entry.path) for entry in files],
            "verify (every checkpoint against its card)": lambda: survey_checkpoints(root, scenario),
            "sha256 + copy + fsync of the files": limit,
            "restore (copy, verify, swap in)": restore,
        },
        rounds=5 * ROUNDS,
    )
    print(f"\nTwo checkpoints with a full buffer, {size_bytes / 1e6:.1f} MB\n")
    print("| | ms | MB/s | CPU, ms |\n|---|---|---|---|")
    for name, one in took.items():
        print(f"| {name} | {one.wall_s * 1e3:.1f} | {size_bytes / one.wall_s / 1e6:.0f} | {one.cpu_s * 1e3:.1f} |")
    for clock in ("wall_s", "cpu_s"):
        hashed, verified, copied, restored = (getattr(one, clock) for one in took.values())
        print(f"\nBy {clock}: verify at {100 * hashed / verified:.0f} % of sha256,"
              f" restore at {100 * copied / restored:.0f} % of sha256 + copy + fsync.")  # fmt: skip


def measure_share(folder: Path, apart_s: float, lasting_s: float) -> None:
    """A real training of DQN with a full buffer that saves whenever that much time has passed since the last save."""
    training = full_training("DQN", folder / f"share-{apart_s}", checkpoint_every_steps=20)
    checkpointing.pause_after = lambda took_s: apart_s  # the time alone decides
    saves, started_s, steps_before = 0, time.monotonic(), training.steps

    def should_leave() -> bool:
        nonlocal saves
        if save_is_due(training):
            save_training(training)
            saves += 1
        return time.monotonic() - started_s > lasting_s

    with contextlib.suppress(LeftAtBoundary):
        training.model.learn(10**9, callback=SafeBoundary(should_leave), reset_num_timesteps=False)
    elapsed_s, saving_s = time.monotonic() - started_s, training.context.deadline.totals_s["save"]
    print(
        f"| {apart_s:.0f} s | {elapsed_s:.1f} | {training.steps - steps_before} | {saves} | {saving_s:.3f} |"
        f" {100 * saving_s / elapsed_s:.2f} % |"
    )


def main() -> None:
    """Measure and print."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory(prefix="checkpoint-cost-", dir=ROOT) as name:
        folder = Path(name)
        print("| | model zip, MB | side file, MB | card, MB | save, ms | limit, ms | save, CPU ms |"
              " limit, CPU ms | 30 s apart | 5 s apart |\n|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
        for algorithm in ("DQN", "QRDQN", "SAC", "TD3", "PPO", "A2C"):
            print(measure_writing(algorithm, folder), flush=True)
        measure_reading(folder)
        print("\n| saves | training, s | steps | saves made | in saves, s | share |\n|---|---|---|---|---|---|")
        for apart_s, lasting_s in ((30.0, 65.0), (5.0, 31.0)):
            measure_share(folder, apart_s, lasting_s)


if __name__ == "__main__":
    main()
