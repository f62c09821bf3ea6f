"""What a later session compares before it resumes a script: its training, versions, device and code."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from orchestrator.kernel.schema import LINEAGE_KEYS, SETTINGS
from orchestrator.kernel.session.context import SessionContext

_LIBRARIES = ("numpy", "numba", "torch", "stable_baselines3", "sb3_contrib", "gymnasium")


def identity_of(context: SessionContext, device_class: str) -> dict[str, Any]:
    """The identity of a script's training on `cpu` or `cuda`, plain JSON."""
    lineage = dict(context.ticket.spec.get("lineage") or {"seed": context.ticket.spec.get("seed")})
    own = {key: lineage.pop(key) for key in list(lineage) if key not in LINEAGE_KEYS or key == SETTINGS}
    return {
        **lineage,
        **({"own": own} if own else {}),
        "section": context.ticket.section,
        "lineage_id": context.ticket.lineage_id,
        "versions": _versions(),
        "device_class": device_class,
        "code_digest": context.ticket.bundle_digest,
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name.replace("_", "-")).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue  # the script does not use it
    return versions
