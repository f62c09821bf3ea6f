"""Whether the GPU computes. Asking torch is not enough: it calls one available that cannot run its first kernel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.outcome import SessionRefused

PROBE_LIMIT_S = 120.0
PROBED = ("cuda", "auto")

_REMEDY = "Ask for NvidiaTeslaT4 in the card, or set its device to cpu."

# In a process of its own: a broken GPU can take the whole process with it, and torch's import is slow.
# Filling, multiplying and a gradient are kernels of torch's own and of cuBLAS; each can be the one that is not there.
PROBE = """
import json
try:
    import torch
except ModuleNotFoundError as absent:
    if absent.name != "torch":
        raise
    print(json.dumps({"gpu": None, "why": "torch is not installed"}))
    raise SystemExit
if not torch.cuda.is_available():
    print(json.dumps({"gpu": None, "why": "torch " + torch.__version__ + " sees no GPU"}))
    raise SystemExit
a = torch.ones(64, 64, device="cuda", requires_grad=True)
(a @ a).relu().sum().backward()
torch.cuda.synchronize()
if a.grad[0, 0].item() != 128.0:
    raise ArithmeticError("the GPU computed a gradient of " + str(a.grad[0, 0].item()) + " instead of 128")
major, minor = torch.cuda.get_device_capability()
print(json.dumps({"gpu": torch.cuda.get_device_name(), "capability": str(major) + "." + str(minor)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a session computes on.

    Attributes:
        used: `cpu` or `cuda`.
        name: Of the GPU, None without one.
        capability: Of the GPU, `major.minor`.
        why: Why a GPU that would have been welcome is not used.
    """

    used: str
    name: str | None = None
    capability: str | None = None
    why: str | None = None


def probe_device(wanted: str, machine: Machine) -> Device:
    """Find out what the session will compute on.

    Args:
        wanted: The spec's device. `cuda` demands a GPU, `auto` takes one that is there; with any other word
            nothing is probed.

    Raises:
        SessionRefused: The GPU is not there though demanded, or it is there and cannot compute.
    """
    if wanted not in PROBED:
        return Device(used="cpu")
    ran = machine.run([machine.interpreter, "-c", PROBE], PROBE_LIMIT_S)
    answer = _answer(ran)
    if answer is None:
        raise SessionRefused(f"the GPU cannot be computed on:\n{ran.last_words}", remedy=_REMEDY)
    if answer["gpu"] is not None:
        return Device(used="cuda", name=str(answer["gpu"]), capability=str(answer.get("capability")))
    if wanted == "cuda":
        raise SessionRefused(f"the spec asks for cuda, and {answer.get('why')}", remedy=_REMEDY)
    return Device(used="cpu", why=str(answer.get("why")))


def _answer(ran: Ran) -> dict[str, Any] | None:
    """The probe's JSON, None when it did not end well. Libraries may print above it."""
    if ran.exit_code != 0 or not ran.out.strip():
        return None
    try:
        plain = json.loads(ran.out.strip().splitlines()[-1])
    except ValueError:
        return None  # the caller refuses with what was said instead
    return plain if isinstance(plain, dict) and "gpu" in plain else None
