"""What a run would do first, worked out without changing anything."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import Start, decide_start
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.backend_types import Push
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.history import fresh_run_id, last_evaluation, next_session
from orchestrator.pipeline.run.missing_checkpoints import require_nothing_missing
from orchestrator.pipeline.run.start import require_compatible
from orchestrator.pipeline.run.walk_back import due_walk_back, view_after
from orchestrator.pipeline.run.weights_only import require_weights_used, unneeded
from orchestrator.pipeline.session.inputs import checkpoint_set, session_spec
from orchestrator.pipeline.session.lifecycle import Place, prepare
from orchestrator.pipeline.session.loss_guard import require_nothing_lost


def plan_first_session(context: RunContext, request: RunRequest) -> Push:
    """What `run` would push first, without changing anything: for `--dry-run` and `render`.

    Raises:
        BadInput: As `execute` would.
    """
    view = _starting_view(context, request)
    sizes = request.sizes(view.steps)
    comparison = require_compatible(context, request, view)
    require_weights_used(request, view, comparison, sizes.target_steps)
    place = Place(run_id=fresh_run_id(context, request), session=next_session(context, request, view), attempt=1)
    return prepare(context, session_spec(context, request, sizes), place, checkpoint_set(context, request.card, view))


def told_of_grade(context: RunContext, request: RunRequest) -> list[str]:
    """A line where `--accept-grade` would change nothing."""
    comparison = require_compatible(context, request, _starting_view(context, request))
    return unneeded(request, comparison.grade.word if comparison else None)


def nothing_to_do(context: RunContext, request: RunRequest) -> bool:
    """Whether a run would find its target reached and evaluated."""
    view = _starting_view(context, request)
    reached = view.steps >= request.sizes(view.steps).target_steps
    return reached and last_evaluation(context, request, view) is not None


def _starting_view(context: RunContext, request: RunRequest) -> CheckpointInventory:
    view = context.models.view()
    if not request.fresh:
        require_nothing_lost(context, request.card.lineage.id, view)
        require_nothing_missing(context, request.card, view, looked=False)
    if decide_start(view, fresh=request.fresh) is Start.CONTINUE:
        return view_after(due_walk_back(context, request.card.lineage.id, view), view)
    return replace(view, verified=(), entries=())
