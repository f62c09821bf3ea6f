"""Turns short, unreliable GPU sessions into one long, exactly continued training run.

A script of your own uses `session`, `MORE_TO_DO` and `NotSaved`; see docs/YOUR_OWN.md. They are imported when
first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.kernel.training.kept_state.rules.faults import NotSaved as NotSaved
    from orchestrator.kernel.training.session import MORE_TO_DO as MORE_TO_DO
    from orchestrator.kernel.training.session import session as session

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in ("session", "MORE_TO_DO", "NotSaved"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator.kernel.training import session as face
    from orchestrator.kernel.training.kept_state.rules.faults import NotSaved

    return NotSaved if name == "NotSaved" else getattr(face, name)
