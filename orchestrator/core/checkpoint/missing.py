"""Which checkpoints should be in place according to the ledger, and which sessions' outputs may hold missing ones.

A ledger without its checkpoints is no fresh start: a CI job cancelled while it restored its cache leaves exactly that,
and so does a ledger copied alone. Only the user's own `run` may take an existing, empty models directory as a fresh
start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.log_messages import TAG
from orchestrator.core.errors import CheckpointsMissing
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_CARD, CHECKPOINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A session whose outputs may hold missing checkpoints.

    Attributes:
        most_steps: Upper limit for its checkpoints: a later session started from these steps, so the ones above were
            abandoned on purpose. None without a limit.
    """

    record: SessionRecord
    most_steps: int | None

    @property
    def potential_steps(self) -> int | None:
        """The most steps that its checkpoints can have, None if unknown."""
        known = max(self.record.steps_done or 0, self.record.models_steps or 0, self.record.input_steps)
        if self.record.steps_done is None:  # it was killed before it wrote its manifest
            return self.most_steps
        return known if self.most_steps is None else min(known, self.most_steps)


def current_chain(runs: Sequence[RunRecord], sessions: Sequence[SessionRecord]) -> tuple[SessionRecord, ...]:
    """The sessions of the current training, newest first, back to the user's last fresh start.

    Args:
        runs: Of one lineage, oldest first.
        sessions: Of the same lineage, in the order of their ledger entries.
    """
    started = {one.run_id for one in sessions if not one.never_submitted}
    since = (place for place in reversed(range(len(runs))) if _is_fresh_start(runs[place], started))
    run_ids = {run.run_id for run in runs[next(since, 0) :]}
    real = [one for one in sessions if one.run_id in run_ids and not one.never_submitted]
    chain: list[SessionRecord] = []
    for one in reversed(real):
        chain.append(one)
        if not one.recovered and not one.ticket.get("inputs"):
            break  # this ledger started it without a checkpoint: the chain begins here
    return tuple(chain)


def _is_fresh_start(run: RunRecord, started: Collection[str]) -> bool:
    """Whether the user asked this run to start over.

    Either with `--fresh`, or by emptying the models directory before a `run` that has no session yet. The runs of a
    campaign have its name and recovered runs have None: neither shows what the user wants.
    """
    by_hand = run.campaign == "" and run.steps_start == 0 and run.run_id not in started
    return run.fresh or by_hand


def walked_to(runs: Sequence[RunRecord], chain: Sequence[SessionRecord]) -> int | None:
    """Steps of the checkpoint that a walk back put in place, until a session has continued from it.

    The newer checkpoint was abandoned on purpose: it is not missing and must not be restored.

    Args:
        runs: Of one lineage, oldest first.
        chain: From `current_chain`.

    Returns:
        None without such a walk back.
    """
    walking = next((run for run in reversed(runs) if run.walks), None)
    if walking is None or not chain:
        return None
    left, after = walking.walks[-1]
    newest = chain[0]
    # A failed session made the program walk back from its start; a user may do so after any session.
    still_left = (newest.input_steps >= left or newest.key == after) and (newest.models_steps or 0) <= left
    return min(walking.steps_done, left) if still_left else None


def expected_steps(chain: Sequence[SessionRecord], walked: int | None = None) -> int:
    """Steps of the newest checkpoint that must be in place, 0 if the ledger knows none.

    Args:
        chain: From `current_chain`.
        walked: From `walked_to`.
    """
    if walked is not None:
        return walked
    for one in chain:
        given = one.input_steps
        if one.stage is Stage.CLOSED:
            in_place = one.steps_done if one.models_steps is None else one.models_steps
            # If the directory was already missing at its end, this is 0; but its inputs did exist.
            return max(in_place or 0, given)
        if given:
            return given
    return 0


def sources(chain: Sequence[SessionRecord], walked: int | None = None) -> Iterator[Source]:
    """Closed sessions of a chain, newest first, each with the step limit for its checkpoints."""
    bound = walked
    for one in chain:
        if one.stage is Stage.CLOSED and one.handle is not None:
            yield Source(record=one, most_steps=_least(bound, one.models_steps or None))
        bound = _least(bound, one.input_steps or None)


def is_missing(view: CheckpointInventory, expected: int, *, stays: bool) -> bool:
    """Whether checkpoints that the ledger knows must be restored before training.

    Args:
        expected: From `expected_steps`.
        stays: Whether the command is the user's own `run`: it accepts an existing directory as it is.
    """
    return view.steps < expected and not (stays and view.exists)


def missing_fault(
    inventory: CheckpointInventory, *, section: str, backend: str, steps: int, searched: bool = True
) -> CheckpointsMissing:
    """Why a training with steps in the ledger and no checkpoint in place is not started from step 0.

    Args:
        steps: As `expected_steps` gives it.
        searched: Whether results and backend were searched already.
    """
    root = inventory.root.as_posix()
    where = f"neither {root} nor the results nor {backend} has a usable one" if searched else f"{root} has none"
    first = "" if searched else "`run` without --dry-run looks for them in the results and on the backend first. "
    return CheckpointsMissing(
        f"the ledger knows checkpoints of this training up to {steps} steps, and {where}: it would train again "
        "from step 0",
        place=f"{root}/checkpoints",
        command=f"run {section} ...",
        first=first,
    )


def gone_lines(inventory: CheckpointInventory, *, backend: str, steps: int | None) -> tuple[str, ...]:
    """What is reported where an older checkpoint is in place than the ledger knows.

    Args:
        steps: Steps that are missing, None where none are.
    """
    if steps is None or inventory.latest is None:
        return ()
    return (
        f"{TAG} ⚠️  The checkpoint of {steps} steps is neither in the results nor on {backend}",
        f"{TAG} Walking back to {inventory.latest.stem}.zip",
    )


def at_most(incoming: FetchedCheckpoints, most_steps: int | None) -> FetchedCheckpoints:
    """A session's checkpoints of at most so many steps, and its best model; metadata and final model are left out."""
    if most_steps is None or incoming.steps <= most_steps:
        return incoming
    kept = tuple(card for card in incoming.verified if card.steps <= most_steps)
    stems = tuple(f"{CHECKPOINTS}/{card.stem}." for card in kept)
    best = {BEST_MODEL.as_posix(), BEST_MODEL_CARD.as_posix()}
    entries = tuple(one for one in incoming.entries if one.path.startswith(stems) or (kept and one.path in best))
    return replace(incoming, verified=kept, entries=entries)


def _least(one: int | None, other: int | None) -> int | None:
    known = [steps for steps in (one, other) if steps is not None]
    return min(known, default=None)
