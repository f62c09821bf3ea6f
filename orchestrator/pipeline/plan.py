"""What a run would do first, worked out without changing anything."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.exchange import Push
from orchestrator.core.models import CheckpointInventory
from orchestrator.core.requests import RunRequest
from orchestrator.core.starting import Start, decide_start
from orchestrator.pipeline.memory import fresh_run_id, last_evaluation, next_session
from orchestrator.pipeline.missing_models import require_nothing_missing
from orchestrator.pipeline.nothing_lost import require_nothing_lost
from orchestrator.pipeline.opening import require_compatible
from orchestrator.pipeline.parts import RunContext
from orchestrator.pipeline.session import Place, prepare
from orchestrator.pipeline.supplies import checkpoint_set, session_spec
from orchestrator.pipeline.taking_weights import require_weights_used, unneeded
from orchestrator.pipeline.walk_back import due_walk_back, view_after


def plan_first_session(parts: RunContext, request: RunRequest) -> Push:
    """What `run` would push first, without changing anything: for `--dry-run` and `render`.

    Raises:
        BadInput: As `execute` would.
    """
    view = _starting_view(parts, request)
    sizes = request.sizes(view.steps)
    comparison = require_compatible(parts, request, view)
    require_weights_used(request, view, comparison, sizes.target_steps)
    place = Place(run_id=fresh_run_id(parts, request), session=next_session(parts, request, view), attempt=1)
    return prepare(parts, session_spec(parts, request, sizes), place, checkpoint_set(parts, request.card, view))


def told_of_grade(parts: RunContext, request: RunRequest) -> list[str]:
    """A line where `--accept-grade` would change nothing."""
    comparison = require_compatible(parts, request, _starting_view(parts, request))
    return unneeded(request, comparison.grade.word if comparison else None)


def nothing_to_do(parts: RunContext, request: RunRequest) -> bool:
    """Whether a run would find its target reached and evaluated."""
    view = _starting_view(parts, request)
    reached = view.steps >= request.sizes(view.steps).target_steps
    return reached and last_evaluation(parts, request, view) is not None


def _starting_view(parts: RunContext, request: RunRequest) -> CheckpointInventory:
    view = parts.models.view()
    if not request.fresh:
        require_nothing_lost(parts, request.card.lineage.id, view)
        require_nothing_missing(parts, request.card, view, looked=False)
    if decide_start(view, fresh=request.fresh) is Start.CONTINUE:
        return view_after(due_walk_back(parts, request.card.lineage.id, view), view)
    return replace(view, verified=(), entries=())
