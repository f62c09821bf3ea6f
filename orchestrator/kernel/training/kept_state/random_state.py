"""The global random generators of Python, numpy and torch (CPU and every GPU), as far as they are loaded."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Mapping
from typing import Any


def capture_random() -> dict[str, Any]:
    """State of each loaded generator. Libraries that the script has not imported have none."""
    state: dict[str, Any] = {"python": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        state["numpy"] = numpy.random.get_state(legacy=False)
    if torch is not None and hasattr(torch, "get_rng_state"):
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            state["torch_cuda"] = torch.cuda.get_rng_state_all()
    return state


def seed_random(seed: int) -> None:
    """Seed each loaded generator. numpy takes 32 bits."""
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed % 2**32)
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed % 2**64)


def restore_random(state: dict[str, Any]) -> str | None:
    """Set the generators to a captured state.

    Returns:
        What could not be restored, None if everything was.
    """
    random.setstate(state["python"])
    if "numpy" in state:
        importlib.import_module("numpy").random.set_state(state["numpy"])
    if "torch" not in state:
        return None
    torch = importlib.import_module("torch")
    torch.set_rng_state(state["torch"].cpu())
    on_gpu = state.get("torch_cuda", [])
    if not on_gpu:
        return None
    if not torch.cuda.is_available() or torch.cuda.device_count() < len(on_gpu):
        return f"the random generators of {len(on_gpu)} GPU(s), which this machine lacks"
    torch.cuda.set_rng_state_all([one.cpu() for one in on_gpu])
    return None


def seed_of(spec: Mapping[str, Any]) -> int | None:
    """The seed in the spec of a session, None if none was given."""
    seed: int | None = (spec.get("lineage") or {}).get("seed", spec.get("seed"))
    return seed
