"""A second section beside the toy section 7.6: its own keys, no environment, no algorithm, standard library only."""

from __future__ import annotations

from pathlib import Path

SCHEMA = '''
"""Own keys of the lake section."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Lake:
    depth_m: float
    kind: Literal["salt", "fresh"]
    layers: list[int]
    inflow_m3_s: float | None = None

    def __post_init__(self) -> None:
        if not self.depth_m > 0.0:
            raise ValueError(f"depth_m must be above 0, not {self.depth_m}")


@dataclass(frozen=True, kw_only=True)
class Criteria:
    largest_error: float


@dataclass(frozen=True, kw_only=True)
class Schema:
    lake: Lake
    criteria: Criteria
    wind_m_s: float = 2.0
'''

ENTRY = '''
"""A training that only counts, with numbers that depend on the section's own keys."""
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.schema import own_values
from validation_ch7.lake.schema import Schema


def run(context):
    spec, ticket = context.ticket.spec, context.ticket
    own = own_values(Schema, spec)
    parent = find_latest_checkpoint(context.models_dir, spec["scenario"])
    start = steps = parent.steps if parent else 0
    first = parent
    while steps < spec["target_steps"]:
        steps = min(spec["target_steps"], steps + spec["checkpoint_every_steps"])
        body = f"{own.lake.depth_m} {own.wind_m_s} {steps}".encode()
        parent = save_checkpoint(
            context.models_dir, scenario=spec["scenario"], steps=steps,
            writers={".zip": lambda p: p.write_bytes(body), ".state.npz": lambda p: p.write_bytes(body)},
            identity={"section": ticket.section, "seed": spec["lineage"]["seed"], "code_digest": ticket.bundle_digest},
            stamp=ticket.stamp(), parent=parent, now=context.now())
        write_json(context.models_dir / "training_metadata.json", {
            "scenario_name": spec["scenario"], "total_timesteps_completed": steps,
            "latest_checkpoint_digest": parent.digest, "stamp": ticket.stamp()})
    context.metrics_dir.mkdir(parents=True, exist_ok=True)
    write_json(context.metrics_dir / "lake.json", {"depth_m": own.lake.depth_m, "wind_m_s": own.wind_m_s})
    good = own.criteria.largest_error > 0.1
    return SectionOutcome(
        ending=KernelEnding.FINISHED, steps_start=start, steps_done=steps,
        summary={"deepest_m": own.lake.depth_m, "error": {"top": 0.1, "low": 0.2}, "spent_s": {"counting": 0.1},
                 "name": "lake"},
        verdict=Verdict.SUPPORTED if good else Verdict.NOT_SUPPORTED,
        resumed_from=first.digest if first else None, resume_grade="exact" if first else None)
'''

CARD = """\
section: lake
title: "A lake"
directory: lake
entry_point: validation_ch7.lake.entry
settings: {note: calm, limits: [1, 2]}
lake:
  depth_m: 5.0
  kind: salt
  layers: [3, 2]
criteria:
  largest_error: 0.5
profiles:
  quick: &sizes
    target_steps: 40
    checkpoint_every_steps: 10
    evaluate_every_steps: 10
    evaluation_scenarios: 1
    deadline_s: 60.0
  full:
    <<: *sizes
    target_steps: 80
"""


def add_second_section(root: Path, card: str = CARD, schema: str | None = SCHEMA) -> Path:
    """Write the section into a project; returns its card's path."""
    folder = root / "validation_ch7" / "lake"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("import numpy_is_not_here\n" if schema is None else "", encoding="utf-8")
    (folder / "entry.py").write_text(ENTRY, encoding="utf-8")
    if schema is not None:
        (folder / "schema.py").write_text(schema, encoding="utf-8")
    path = root / "configs" / "sections" / "lake.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(card, encoding="utf-8")
    return path
