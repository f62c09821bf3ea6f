"""Read everything that the next action of a run is decided from: ledger, models directory, backend.

Nothing is started or restored; the ledger only remembers what a look showed. An overdue session is fetched to see
whether it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from orchestrator.core.checkpoint.compatibility import Intended
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import manifest_holds
from orchestrator.core.errors import NotYet
from orchestrator.core.ledger.records import RunRecord, SessionRecord, reaches
from orchestrator.core.run.opening import interrupted_run
from orchestrator.core.run.progress import next_step
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState, Sight, Snapshot, open_sessions
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.session.backend_types import Bundle, Handle
from orchestrator.core.session.settling import without_named
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.walk_back import due_walk_back
from orchestrator.pipeline.session.look import look
from orchestrator.pipeline.session.restore import loss_of_recovered
from orchestrator.pipeline.session.submit import confirmed


def read_snapshot(
    context: RunContext,
    request: RunRequest,
    done: CommandState,
    *,
    inventory: CheckpointInventory | None = None,
    sights: Mapping[str, Sight] = MappingProxyType({}),
    bundle: Bundle | None = None,
    ahead: bool = False,
) -> Snapshot:
    """One lineage as it is now.

    Args:
        done: What the command has done.
        inventory: What is in place, None to survey it.
        sights: Key of an open session -> what is known of it; another one is looked at where that takes no time.
        bundle: The code, None to pack it if a session can follow.
        ahead: Whether the session after the open one is decided as well: for `render` and `--dry-run`.

    Raises:
        RemoteUnavailable: The backend cannot be asked.
    """
    lineage_id, backend, limits = request.card.lineage.id, context.backend.name, context.backend.capabilities
    first = next(iter(open_sessions(context.ledger.sessions(lineage_id), backend)), None)
    sight = (sights.get(first.key) or _sight(context, first)) if first is not None else None
    runs, sessions = context.ledger.runs(lineage_id), context.ledger.sessions(lineage_id)
    inventory = inventory or context.models.view()
    # A session can follow where none is open; and to start over, all that can be refused is refused first.
    if done.run is None:
        can_follow = first is None or request.fresh or ahead
    else:
        can_follow = first is None and next_step(done.run.progress).start_session
    bundle = (bundle or context.code.bundle(request.card)) if can_follow else None
    return Snapshot(
        backend=backend,
        waits=context.waits,
        remembers=limits.remembers,
        late_outputs=limits.late_outputs,
        runs=runs,
        sessions=sessions,
        inventory=inventory,
        sight=sight,
        result_slugs=context.results.taken(limits.owner),
        new_run_id=_new_run_id(context, request.card),
        bundle=bundle,
        intended=_intended(context, request.card, bundle) if bundle else None,
        evaluation=_evaluation(context, request, runs, sessions, inventory, bundle)
        if bundle and done.run is None
        else None,
        walk_back=due_walk_back(context, lineage_id, inventory) if can_follow and request.starts else None,
        lost=loss_of_recovered(context, lineage_id, inventory) if can_follow else None,
        done=done,
    )


def _sight(context: RunContext, record: SessionRecord) -> Sight:
    """What one look shows; a command that waits looks while it waits."""
    if context.waits:
        return Sight(handle=Handle.parse(record.handle) if record.handle else None)
    try:
        seen = confirmed(context, record)
        if seen is None:
            return Sight(lost=True)
        return Sight(handle=Handle.parse(str(seen.handle)), end=look(context, seen))
    except NotYet as fault:
        return Sight(handle=Handle.parse(record.handle) if record.handle else None, state=str(fault))


def _new_run_id(context: RunContext, card: SectionCard) -> str:
    """An id that no other run has."""
    moment = context.clock.now().strftime("%Y%m%dT%H%M%S")
    return f"{card.section}-{short(card.lineage.id)}-{moment}-{context.draw_token()[:4]}"


def _intended(context: RunContext, card: SectionCard, bundle: Bundle) -> Intended:
    """What the next session of a card would be, as far as it is known before it."""
    limits = context.backend.capabilities
    device = limits.session_device or card.device
    return Intended(
        lineage=card.lineage,
        code_digest=bundle.digest,
        versions=limits.runtime_versions,
        device_class=None if device == "auto" else device,
    )


def _evaluation(
    context: RunContext,
    request: RunRequest,
    runs: Sequence[RunRecord],
    sessions: Sequence[SessionRecord],
    inventory: CheckpointInventory,
    bundle: Bundle,
) -> SessionRecord | None:
    """The session whose result (a verdict, or no claim) is about exactly what is in place, by what is asked now.

    That is: it finished, its outputs are still there and whole, they hold the newest checkpoint byte for byte,
    its code and criteria are those of today, and it met at least as many scenarios. Below the target, it is a session
    to the same target that its section declared finished. A section without checkpoints has nothing in place.
    """
    latest, steps = inventory.latest, inventory.steps
    interrupted = interrupted_run(runs, request, context.backend.name, steps)
    target = request.target(steps, interrupted)
    newest = [one for one in inventory.entries if latest and Path(one.path).name.startswith(f"{latest.stem}.")]
    for record in reversed(sessions):
        here = record.steps_done == steps if latest else not record.steps_done
        if not (here and record.evaluated and reaches(record, target)) or record.results_dir is None:
            continue
        if not _asks_enough(record, request) or record.ticket["bundle_digest"] != bundle.digest:
            continue
        manifest, faults = context.results.manifest(Path(record.results_dir))
        whole = not without_named(faults, record.lacking)
        if manifest is not None and whole and manifest_holds(manifest, request.card.directory, newest):
            return record
    return None


def _asks_enough(record: SessionRecord, request: RunRequest) -> bool:
    """Whether a session had the criteria of today, and met at least as many scenarios as are asked for."""
    spec, least = record.ticket["spec"], request.card.profiles[request.profile].evaluation_scenarios
    return spec["criteria"] == request.card.criteria_values and (spec.get("evaluation_scenarios") or 0) >= (least or 0)
