"""What a later session of a script compares before it continues a checkpoint."""

from __future__ import annotations

import os
import sys
from typing import Any

from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.environment.processor import ONE_THREAD, describe_machine
from orchestrator.kernel.schema import LINEAGE_KEYS, SETTINGS
from orchestrator.kernel.session.context import SessionContext


def identity_of(context: SessionContext, device_class: str) -> dict[str, Any]:
    """The identity of a script's training, as plain JSON for its cards."""
    lineage = dict(context.ticket.spec.get("lineage") or {"seed": context.ticket.spec.get("seed")})
    own = {key: lineage.pop(key) for key in list(lineage) if key not in LINEAGE_KEYS or key == SETTINGS}
    return {
        **lineage,
        **({"own": own} if own else {}),
        "section": context.ticket.section,
        "lineage_id": context.ticket.lineage_id,
        "versions": dict(library_versions()),
        "device_class": device_class,
        "machine": {**describe_machine(), **_threads()},  # differs in cards of earlier versions, which lack it
        "code_digest": context.ticket.bundle_digest,
    }


def _threads() -> dict[str, Any]:
    """Threads of torch, if the script has imported it, and those set for BLAS: sums over other shares round otherwise.

    Whether BLAS computes anything cannot be seen, so its default number is not compared.
    """
    torch: Any = sys.modules.get("torch")
    chosen: dict[str, Any] = {name: os.environ[name] for name in ONE_THREAD if os.environ.get(name)}
    return chosen | ({"threads": torch.get_num_threads()} if hasattr(torch, "get_num_threads") else {})
