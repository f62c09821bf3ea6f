"""Turns short, unreliable GPU sessions into one long, exactly continued training run.

A script of your own uses `session`, `MORE_TO_DO` and `NotSaved`, and a notebook `report`; see docs/YOUR_OWN.md. They
are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.kernel.training.kept_state.rules.faults import NotSaved as NotSaved
    from orchestrator.kernel.training.session import MORE_TO_DO as MORE_TO_DO
    from orchestrator.kernel.training.session import session as session

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name == "report":
        return _report
    if name not in ("session", "MORE_TO_DO", "NotSaved"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator.kernel.training import session as face
    from orchestrator.kernel.training.kept_state.rules.faults import NotSaved

    return NotSaved if name == "NotSaved" else getattr(face, name)


def _report(run_or_target: Any = None) -> Any:
    """See `orchestrator.wiring.notebook.report`; a session of a project has no page and prints one line instead."""
    from orchestrator.kernel.session.current import current_context

    if current_context() is not None or not getattr(run_or_target, "is_alone", True):
        print("No page in a session: `orchestrator report` makes it where the run was started.", flush=True)
        return None
    try:
        # The name is put together, so that a session's code does not carry all that a page needs.
        report = import_module(".".join((__name__, "wiring", "notebook"))).report
    except ImportError as fault:
        library = (fault.name or "").partition(".")[0]
        remedy = "`orchestrator report` makes it where orchestrator is installed."
        if library not in ("", __name__):
            remedy = f"python -m pip install {'pyyaml' if library == 'yaml' else library}"
        print(f"No page, because {fault}: {remedy}", flush=True)
        return None
    return report(run_or_target)
