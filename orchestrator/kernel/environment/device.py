"""Tests the GPU with a small computation: torch reports a GPU as available even if it cannot run any kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.reading.json_text import Unreadable, read_json

PROBE_LIMIT_S = 120.0
PROBED = ("cuda", "auto")

_REMEDY = "Ask for NvidiaTeslaT4 in the card, or set its device to cpu."

# Runs in a separate process: a broken GPU can kill the whole process, and importing torch is slow.
# Filling, multiplying and the gradient use kernels of torch and of cuBLAS; any of them can be missing.
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
    """Device of a session.

    Attributes:
        used: `cpu` or `cuda`.
        name: Of the GPU, None without one.
        capability: Compute capability of the GPU, `major.minor`.
        why: Why the session with device `auto` does not use a GPU.
    """

    used: str
    name: str | None = None
    capability: str | None = None
    why: str | None = None


def probe_device(wanted: str, machine: Machine) -> Device:
    """Find the device of the session.

    Args:
        wanted: The spec's device. `cuda` requires a GPU; `auto` uses one if there is one; for any other value
            nothing is probed.

    Raises:
        SessionRefused: A required GPU is missing, or the GPU cannot compute.
    """
    if wanted not in PROBED:
        return Device(used="cpu")
    ran = machine.run([machine.interpreter, "-c", PROBE], PROBE_LIMIT_S)
    answer = _answer(ran)
    if answer is None:
        raise SessionRefused(f"the GPU failed a test computation:\n{ran.summary}", remedy=_REMEDY)
    if answer["gpu"] is not None:
        return Device(used="cuda", name=str(answer["gpu"]), capability=str(answer.get("capability")))
    if wanted == "cuda":
        raise SessionRefused(f"the spec asks for cuda, but {answer.get('why')}", remedy=_REMEDY)
    return Device(used="cpu", why=str(answer.get("why")))


def _answer(ran: Ran) -> dict[str, Any] | None:
    """The probe's JSON, which is its last line of output; None if the probe failed."""
    if ran.exit_code != 0 or not ran.out.strip():
        return None
    try:
        plain = read_json(ran.out.strip().splitlines()[-1])
    except Unreadable:
        return None  # the caller shows the output in its refusal
    return plain if isinstance(plain, dict) and "gpu" in plain else None
