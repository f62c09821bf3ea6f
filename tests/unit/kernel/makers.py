"""Small tickets and checkpoints for tests of `orchestrator.kernel`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.wire import FileEntry, Ticket, digest_of

SCENARIO = "traffic_light_control"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


PLANNED: Mapping[str, Any] = {"profile": "quick", "criteria": {}, "lineage": {"seed": 0}}
"""What a ticket in a ledger has, too."""


def make_ticket(
    *, spec: Mapping[str, Any] | None = None, inputs: tuple[FileEntry, ...] = (), bundle_digest: str = "b" * 64
) -> Ticket:
    plain = {"entry_point": "toy_entry", "scenario": SCENARIO, "target_steps": 40, "deadline_s": 100.0, **(spec or {})}
    return Ticket(
        run_id="run",
        session=1,
        attempt=1,
        nonce="n" * 32,
        section="section_7_6",
        section_dir="section_7_6_rl_performance",
        lineage_id="c" * 64,
        spec=plain,
        spec_digest=digest_of(plain),
        bundle_digest=bundle_digest,
        inputs=inputs,
    )


def save(
    models: Path,
    steps: int,
    parent: CheckpointCard | None = None,
    body: bytes = b"model",
    ticket: Ticket | None = None,
    continued: str = "exact",
) -> CheckpointCard:
    text = body + str(steps).encode()
    return save_checkpoint(
        models,
        scenario=SCENARIO,
        steps=steps,
        writers={
            ".zip": lambda path: _write(path, text),
            ".state.npz": lambda path: _write(path, text[::-1]),
        },
        identity={"algorithm": "DQN"},
        stamp=(ticket or make_ticket()).stamp(),
        parent=parent,
        now=NOW,
        continued=continued,
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
