"""Helpers that read the files of a finished session."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.kernel.wire import models_path
from orchestrator.sb3.state.npz_tree import read_state


def latest_card(working: Path) -> CheckpointCard:
    card = find_latest_checkpoint(models_dir(working), "traffic_light_control")
    assert card is not None
    return card


def models_dir(working: Path) -> Path:
    return models_path(working, "section_7_6_rl_performance")


def fingerprints(working: Path, card: CheckpointCard | None = None) -> dict[str, str]:
    """Digests of a checkpoint's model zip, policy and each part of its state, without the seams."""
    card = card or latest_card(working)
    folder = models_dir(working) / "checkpoints"
    state = read_state(folder / f"{card.stem}.state.npz")
    state.pop("provenance")
    found = {"zip": hashlib.sha256((folder / f"{card.stem}.zip").read_bytes()).hexdigest()}
    found["policy"] = card.identity["policy_digest"]
    for part, sections in state.items():
        found.update({f"{part}.{name}": fingerprint(value) for name, value in sections.items()})
    return found


def fingerprint(value: Any) -> str:
    return hashlib.sha256(repr(_plain(value)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, _plain(value[name])) for name in sorted(value)]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    return value
