"""Pruning of running sessions: the evaluations in a session's log decide whether it is asked to stop."""

from __future__ import annotations

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.ledger.records import AskedBy, SessionRecord, Stage
from orchestrator.core.search.proposals import Curve
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.reporting.evaluation import read_evaluation
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.pipeline.session.stop import ask_to_stop


def prune_running(
    context: RunContext, searching: SearchReplay, trial: Trial, record: SessionRecord, curves: dict[str, Curve]
) -> bool:
    """Ask a running session to stop if its trial is pruned; whether it was asked.

    This only saves quota. The outputs of ended sessions decide in the same way whether a trial is pruned. A session
    that cannot be stopped runs to its end, and no further one is started.

    Args:
        curves: Lineage id -> evaluations of running sessions; updated here, because seeds are judged together.

    Raises:
        OrchestratorError: The log cannot be read, or the backend did not take the request.
    """
    if not searching.may_prune(trial) or not context.backend.capabilities.can_cancel:
        return False
    if record.stage is not Stage.SUBMITTED or record.handle is None:
        return False
    handle = Handle.parse(record.handle)
    found = (read_evaluation(line) for line in context.backend.lines_so_far(handle))
    curves[trial.lineage_id] = [point for point in found if point is not None]
    if searching.pruned_at_steps(trial, curves) is None:
        return False
    ask_to_stop(context, record, AskedBy.SEARCH)  # repeated by every tick until it ends: a request may be lost
    return True
