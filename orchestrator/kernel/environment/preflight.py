"""Checks within seconds, before anything is imported or trained, whether this machine can run the section."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.environment.device import Device, probe_device
from orchestrator.kernel.environment.install import supply
from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.requirements import Requirement, requirements_of
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.wire import code_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a preflight found; complete even if it refuses the session.

    Attributes:
        versions: Requirement -> version that the session will import.
        pinned: Requirement -> pinned version, where the image has another version. The image's version stays: the
            resume grade shows its effect.
        installed_now: Requirements that this preflight installed.
        device: Device of the session, None before it is known.
        seconds: Duration of the preflight.
        refusal: Why the session must not start, None if it may.
    """

    seconds: float
    versions: Mapping[str, str]
    pinned: Mapping[str, str]
    installed_now: tuple[str, ...]
    device: Device | None
    refusal: SessionRefused | None
    python: str = field(default_factory=platform.python_version)
    platform: str = field(default_factory=platform.platform)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the event log and the manifest, which store the refusal elsewhere."""
        return {
            "python": self.python,
            "platform": self.platform,
            "versions": dict(self.versions),
            "pinned": dict(self.pinned),
            "installed_now": list(self.installed_now),
            "device": asdict(self.device) if self.device else None,
            "seconds": self.seconds,
        }

    @property
    def notes(self) -> list[str]:
        """One sentence for the log about each thing that is not as pinned, and about the GPU."""
        notes = [f"{name} {self.versions[name]} is installed, pinned is {pin}." for name, pin in self.pinned.items()]
        if self.installed_now:
            notes.append(f"Installed for this session: {', '.join(self.installed_now)}.")
        if self.device and self.device.name:
            notes.append(f"Computing on {self.device.name} (capability {self.device.capability}).")
        if self.device and self.device.why:
            notes.append(f"Computing on the CPU: {self.device.why}.")
        return notes


def examine(
    spec: Mapping[str, Any],
    bundle_root: Path,
    *,
    workspace: Workspace,
    machine: Machine,
    monotonic: Callable[[], float],
) -> Findings:
    """Install the section's missing requirements and test its device.

    Args:
        spec: The session's spec; uses `script` or `entry_point`, and `device`.
        bundle_root: Root of the verified code.
        workspace: Its inputs may hold wheels; its scratch folder takes installed libraries.

    Returns:
        The findings. A refusal is part of them; the caller raises it.
    """
    started_s = monotonic()
    requirements: tuple[Requirement, ...] = ()
    installed: tuple[Requirement, ...] = ()
    device, refusal = None, None
    try:
        requirements = requirements_of(bundle_root, code_folder(spec))
        installed = supply(requirements, workspace, machine)
        device = probe_device(str(spec.get("device", "cpu")), machine)
    except SessionRefused as refused:
        refusal = refused
    here = machine.versions() if requirements else {}
    found = [need for need in requirements if need.name in here]
    return Findings(
        seconds=round(monotonic() - started_s, 3),
        versions={need.name: here[need.name] for need in found},
        pinned={need.name: need.version for need in found if not need.is_met_by(here[need.name])},
        installed_now=tuple(map(str, installed)),
        device=device,
        refusal=refusal,
    )
