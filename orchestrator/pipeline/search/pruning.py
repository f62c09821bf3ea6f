"""Pruning while a session lives: its log tells its evaluations, and one that is given up is asked to leave."""

from __future__ import annotations

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.search.proposals import Curve
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.reporting.evaluation import read_evaluation
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay


def prune_running(
    context: RunContext, searching: SearchReplay, trial: Trial, record: SessionRecord, curves: dict[str, Curve]
) -> bool:
    """Ask a living session to leave if its trial is given up; says whether it was asked.

    This only spares hours. Whether a trial is pruned is decided by the evaluations that its sessions leave behind,
    in the same way, whoever looked while it lived. Where a session cannot be stopped it is simply the last one.

    Args:
        curves: Lineage id -> evaluations of living sessions; kept up to date, since seeds are judged together.

    Raises:
        OrchestratorError: The log cannot be read, or the request did not arrive.
    """
    limits = context.backend.capabilities
    if not searching.may_prune(trial) or not limits.can_cancel or limits.streams_log:
        return False
    if record.stage is not Stage.SUBMITTED or record.handle is None:
        return False
    handle = Handle.parse(record.handle)
    found = (read_evaluation(line) for line, _ in context.backend.follow(handle, 0))
    curves[trial.lineage_id] = [point for point in found if point is not None]
    if searching.given_up(trial, curves) is None:
        return False
    context.backend.cancel(handle)  # again with every look until it is gone: a request may be lost
    return True
