"""The toy trainings of the soak: each policy is a chain of digests, so a lost or repeated step changes its bytes."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.checkpoint.save import KEPT_CHECKPOINTS, save_checkpoint
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.container import OPENED
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX, Ticket, models_path, report_line
from tests.doubles.clock import FakeClock

START_S, SAVE_S, PART_S = 60.0, 60.0, 300.0
"""Seconds to start a session, to save and evaluate at its end, and to train up to the next checkpoint."""

_POLICY_DIGESTS = 64
"""A policy of 2 KiB."""


def policy(seed: int, steps: int, every_steps: int, base: bytes = b"", start: int = 0) -> bytes:
    """The policy after so many steps, trained on from `base` at `start`."""
    body = base
    for done in range(start + every_steps, steps + 1, every_steps):
        body = hashlib.sha256(f"{seed} {done} ".encode() + body).digest() * _POLICY_DIGESTS
    return body


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a session did.

    Attributes:
        lasted_s: Its wall time.
        saved: Newest checkpoint that is in its outputs, None without one.
        steps: Steps of that checkpoint; those at its start without one.
    """

    lasted_s: float
    finished: bool
    steps: int
    saved: CheckpointCard | None
    log: str


def parts_of(ticket: Ticket, start: int) -> int:
    """Checkpoints that a session writes until its target or its deadline."""
    left = math.ceil((int(ticket.spec["target_steps"]) - start) / int(ticket.spec["checkpoint_every_steps"]))
    return max(0, min(left, int((float(ticket.spec["deadline_s"]) - START_S - SAVE_S) // PART_S)))


def train(
    folder: Path,
    ticket: Ticket,
    number: int,
    parent_card: Path | None,
    began_at: datetime,
    *,
    cut_after: int | None = None,
) -> Done:
    """Write the outputs of a session.

    Args:
        number: The session's number on the service.
        parent_card: Card of the checkpoint that it was given.
        began_at: Aware time.
        cut_after: Checkpoints after which the session dies without a manifest; None if it lives.
    """
    every, target = int(ticket.spec["checkpoint_every_steps"]), int(ticket.spec["target_steps"])
    seed = int(ticket.spec["lineage"]["seed"])
    parent = read_card(parent_card) if parent_card else None
    start = parent.steps if parent else 0
    body = (parent_card.parent / f"{parent.stem}{MODEL_SUFFIX}").read_bytes() if parent and parent_card else b""
    parts = parts_of(ticket, start) if cut_after is None else cut_after
    lines = [report_line(OPENED, session_id=number), report_line("started", **ticket.stamp())]
    card, saved = parent, None
    for part in range(1, parts + 1):
        done = start + part * every
        body = policy(seed, done, every, body, done - every)
        if part <= parts - KEPT_CHECKPOINTS:
            continue  # rotated out of the outputs by the end
        card = saved = _save(folder, ticket, done, body, card)
        lines.append(report_line("saved", steps=done, checkpoint=card.stem))
    steps = start + parts * every
    finished = cut_after is None and steps >= target
    lasted_s = START_S + parts * PART_S + SAVE_S
    if cut_after is None:
        outcome = SectionOutcome(
            ending=KernelEnding.FINISHED if finished else KernelEnding.PAUSED,
            steps_start=start,
            steps_done=steps,
            verdict=Verdict.SUPPORTED if finished else None,
        )
        _commit(folder, ticket, outcome, began_at, lasted_s)
    return Done(lasted_s=lasted_s, finished=finished, steps=steps, saved=saved, log="".join(f"{x}\n" for x in lines))


def _save(folder: Path, ticket: Ticket, steps: int, body: bytes, parent: CheckpointCard | None) -> CheckpointCard:
    lineage = ticket.spec["lineage"]
    names = ("section", "algorithm", "network", "hyper_parameters", "environment", "seed")
    identity = {**{name: lineage[name] for name in names}, "versions": {}, "code_digest": ticket.bundle_digest}
    return save_checkpoint(
        models_path(folder, ticket.section_dir),
        scenario=ticket.spec["scenario"],
        steps=steps,
        writers={
            MODEL_SUFFIX: lambda path: _write(path, body),
            STATE_SUFFIX: lambda path: _write(path, body[::-1]),
        },
        identity={**identity, "device_class": "cpu"},
        stamp=ticket.stamp(),
        parent=parent,
        now=FakeClock().now(),
    )


def _commit(folder: Path, ticket: Ticket, outcome: SectionOutcome, began_at: datetime, lasted_s: float) -> None:
    write_manifest(
        folder,
        ticket=ticket,
        outcome=outcome,
        error=None,
        started_at=began_at.isoformat(),
        ended_at=(began_at + timedelta(seconds=lasted_s)).isoformat(),
        timings_s={"wall": lasted_s},
        preflight={},
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def card_path(folder: Path, ticket: Ticket, card: CheckpointCard) -> Path:
    """Where the card of a saved checkpoint lies."""
    return models_path(folder, ticket.section_dir) / CHECKPOINTS / card.name
