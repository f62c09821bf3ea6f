"""A section without torch: it counts steps, saves through the real runtime, and fails on request.

It is written into a temporary project, where a session takes a fraction of a second.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from orchestrator.core.section.card import SectionCard
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT

ENTRY = '''
"""The toy section's entry point."""
import json
import os
import platform
import signal
import sys
from importlib import metadata
from pathlib import Path

from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.wire import final_model_name

LIBRARIES = ("numpy", "numba", "torch", "stable_baselines3", "sb3_contrib", "gymnasium")
VERSIONS = {"python": platform.python_version()}
for name in LIBRARIES:
    try:
        VERSIONS[name] = metadata.version(name.replace("_", "-")).partition("+")[0]
    except metadata.PackageNotFoundError:
        pass  # a bare Python has none of them, and the toy needs none
BEHAVIOUR = json.loads(Path(__file__).with_name("behaviour.json").read_text())


def run(context):
    spec, ticket = context.ticket.spec, context.ticket
    lineage = spec["lineage"]
    latest = find_latest_checkpoint(context.models_dir, spec["scenario"])
    steps = latest.steps if latest else 0
    start, target = steps, spec["target_steps"]
    if latest:
        context.reporter.say(f"[CHECKPOINT] Loading checkpoint {latest.stem}.zip ({steps} steps)")
    else:
        context.reporter.say("[CHECKPOINT] Starting fresh training")
    act = BEHAVIOUR.get(str(ticket.session), BEHAVIOUR.get("*", {}))
    if act.get("do") == "raise":
        raise RuntimeError("the toy failed on purpose")
    if act.get("do") == "vanish":
        os._exit(137)
    identity = {
        "section": lineage["section"], "algorithm": lineage["algorithm"], "network": lineage["network"],
        "hyper_parameters": lineage["hyper_parameters"], "environment": lineage["environment"],
        "seed": lineage["seed"], "versions": VERSIONS, "device_class": "cpu", "code_digest": ticket.bundle_digest,
    }
    score = None
    parent, ending = latest, KernelEnding.FINISHED
    while steps < target:
        steps = min(target, steps + spec["checkpoint_every_steps"])
        body = f"model {lineage['seed']} after {steps} steps".encode()
        parent = save_checkpoint(
            context.models_dir, scenario=spec["scenario"], steps=steps,
            writers={".zip": lambda p: p.write_bytes(body), ".state.npz": lambda p: p.write_bytes(body[::-1])},
            identity=identity, stamp=ticket.stamp(), parent=parent, now=context.now(),
        )
        write_json(context.models_dir / "training_metadata.json", {
            "scenario_name": spec["scenario"], "total_timesteps_completed": steps,
            "latest_checkpoint_digest": parent.digest, "stamp": ticket.stamp()})
        context.reporter.progress(steps=steps, target_steps=target, last=True)
        if BEHAVIOUR.get("scores"):  # best at gamma 0.97, and better with every step
            score = -abs(lineage["hyper_parameters"]["gamma"] - 0.97) - 1 / steps
            context.reporter.event("evaluated", steps=steps, score=score)
        if act.get("do") == "die_after_save" or act.get("do") == "die_at_target" and steps >= target:
            os.kill(os.getpid(), signal.SIGKILL)
        if context.must_leave or act.get("do") == "pause" and steps < target:
            ending = KernelEnding.STOPPED if context.stop.requested else KernelEnding.PAUSED
            break
    if steps >= target:
        write_text(context.models_dir / final_model_name(spec["scenario"]), "final")
        context.metrics_dir.mkdir(parents=True, exist_ok=True)
        write_text(context.metrics_dir / "toy.csv", "a,b\\n1,2\\n")
    word = act.get("verdict", "supported" if BEHAVIOUR.get("claim") is None else None)
    verdict = None if word is None else Verdict(word)
    return SectionOutcome(
        ending=ending, steps_start=start, steps_done=steps,
        training={"best_model_score": score}, summary=BEHAVIOUR.get("summary", {}), claim=BEHAVIOUR.get("claim"),
        verdict=verdict if ending is KernelEnding.FINISHED else None,
        resumed_from=latest.digest if latest else None, resume_grade="exact" if latest else None)
'''


def make_toy_project(root: Path, behaviour: str = "{}") -> Path:
    """A project whose section_7_6 is the toy: same card, same names, another entry point."""
    section = root / "validation_ch7" / "section_7_6_rl_performance"
    section.mkdir(parents=True)
    (root / "validation_ch7" / "__init__.py").write_text("", encoding="utf-8")
    (section / "__init__.py").write_text("", encoding="utf-8")
    (section / "entry.py").write_text(ENTRY, encoding="utf-8")
    schema = "validation_ch7/section_7_6_rl_performance/schema.py"
    (root / schema).write_text((PROJECT_ROOT / schema).read_text(encoding="utf-8"), encoding="utf-8")
    set_behaviour(root, behaviour)
    card = yaml.safe_load((PROJECT_ROOT / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8"))
    card["profiles"]["quick"] |= {"target_steps": 40, "checkpoint_every_steps": 10}
    card["profiles"]["full"] |= {"target_steps": 100, "checkpoint_every_steps": 20}
    write_card(root, card)
    return root


def toy_card(root: Path) -> SectionCard:
    """The card of section_7_6 in a project."""
    return load_card(root / "configs/sections", "section_7_6")


def set_behaviour(root: Path, behaviour: str) -> None:
    """JSON: session number (or "*") -> {"do": raise|vanish|pause|die_after_save|die_at_target, "verdict": ...}.

    `"verdict": null` reports none; `"claim": false` says that the section draws no conclusion; `"summary"` is reported.
    With `"scores": true` it reports a score after every save, which depends on the discount factor and the steps.
    """
    path = root / "validation_ch7" / "section_7_6_rl_performance" / "behaviour.json"
    path.write_text(behaviour, encoding="utf-8")


def read_card_file(root: Path) -> dict[str, object]:
    card: dict[str, object] = yaml.safe_load((root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8"))
    return card


def write_card(root: Path, card: dict[str, object]) -> None:
    folder = root / "configs" / "sections"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "section_7_6.yaml").write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
