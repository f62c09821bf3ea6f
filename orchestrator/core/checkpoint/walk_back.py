"""Decides from the ledger when a training abandons its newest checkpoint for the one before it: a walk back.

A checkpoint can be whole and verified, and still no session can continue from it. One failure is no sign of that: it
may come from the code or the machine. Two in a row from the same checkpoint are reason to try the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.wire import CHECKPOINTS, FileEntry, checkpoint_steps

FAILURES_IN_ROW = 2
MOST_WALKS = 2
"""Walks back in a row on failures alone. If a third checkpoint fails too, the code is at fault, not the checkpoints."""

Files = frozenset[tuple[str, str]]
"""Path and sha256 of each file of one checkpoint."""


class StartCheck(Enum):
    """What the end of a session shows about the checkpoint that it started from."""

    SOUND = "sound"
    """The session continued from it."""
    UNKNOWN = "unknown"
    """The session did not use it, or ended for another reason: infrastructure, a limit, a person."""
    FAILURE = "failure"
    """The session failed and saved nothing newer."""
    UNUSABLE = "unusable"
    """The kernel read the checkpoint and found that no training can continue from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why the newest checkpoint should be abandoned.

    Attributes:
        failed: Sessions in a row that started from it and failed, oldest first.
        proven: Whether the kernel found it unusable.
    """

    failed: tuple[SessionRecord, ...]
    proven: bool

    @property
    def why(self) -> str:
        """The reason, as a clause."""
        ends = ", ".join(f"{record.slug}: {record.end_reason}" for record in self.failed)
        if self.proven:
            return f"the session that started from it refused its contents ({ends})"
        return f"{len(self.failed)} sessions in a row that started from it failed and saved nothing newer ({ends})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkBack:
    """A step back to an earlier checkpoint, which the next session needs.

    Attributes:
        left: The checkpoint that no session can continue.
        why: Why.
        parent: What is put in place instead; None if no earlier checkpoint of its ancestry exists anywhere.
    """

    left: CheckpointCard
    why: Suspicion
    parent: FetchedCheckpoints | None

    @property
    def account(self) -> str:
        """In one sentence."""
        return f"{self.left.stem} cannot be used: {self.why.why}"


def view_after(due: WalkBack | None, view: CheckpointInventory) -> CheckpointInventory:
    """What is in place after a walk back whose parent is in place as well; else what is in place now."""
    if due is None or due.parent is None or due.parent.root != view.root:
        return view
    return replace(view, verified=due.parent.verified, entries=due.parent.entries)


def suspicion(
    sessions: Sequence[SessionRecord], runs: Sequence[RunRecord], view: CheckpointInventory
) -> Suspicion | None:
    """Whether to walk back from the newest checkpoint to its parent, and why.

    Args:
        sessions: All of the lineage, oldest first.
        runs: All of the lineage, oldest first.
        view: The models directory.

    Returns:
        None without a reason; also None where an earlier walk back has shown that the code is at fault and not the
        checkpoint, because a new or restored checkpoint of as many steps failed too.
    """
    if view.latest is None:
        return None
    failed, proven = _failures(sessions, files_of_newest(view.entries), view.steps)
    if proven:
        return Suspicion(failed=failed, proven=True)
    if len(failed) < FAILURES_IN_ROW:
        return None
    left = list(_open_walks(sessions, runs))
    if len(left) >= MOST_WALKS or any(view.steps >= steps for steps in left):
        return None
    return Suspicion(failed=failed, proven=False)


def files_of_newest(entries: Iterable[FileEntry]) -> Files:
    """The files of the checkpoint with the most steps; empty without one."""
    found: dict[int, set[tuple[str, str]]] = {}
    for entry in entries:
        path = PurePosixPath(entry.path)
        steps = checkpoint_steps(path.name.split(".", 1)[0])
        if steps is not None and path.parent == PurePosixPath(CHECKPOINTS):
            found.setdefault(steps, set()).add((entry.path, entry.sha256))
    return frozenset(found[max(found)]) if found else frozenset()


def check_start(record: SessionRecord, start_steps: int) -> StartCheck:
    """What the end of a closed session shows about its start checkpoint, which has `start_steps`."""
    if record.end_reason == EndReason.CHECKPOINT_UNUSABLE:
        return StartCheck.UNUSABLE
    if record.end_reason in (EndReason.FINISHED, EndReason.PAUSED, EndReason.STOPPED) or record.restored:
        return StartCheck.SOUND
    if (record.steps_done or 0) > start_steps:
        return StartCheck.SOUND
    if record.end_reason not in (EndReason.SECTION_FAILED, EndReason.CRASHED) or record.gone:
        return StartCheck.UNKNOWN
    # At its target it only evaluates, and with an invalid verdict it never trained: neither uses the state.
    target = _spec(record).get("target_steps")
    evaluates = target is not None and start_steps >= int(target)
    return StartCheck.UNKNOWN if evaluates or record.verdict == Verdict.INVALID else StartCheck.FAILURE


def _failures(
    sessions: Sequence[SessionRecord], newest: Files, start_steps: int
) -> tuple[tuple[SessionRecord, ...], bool]:
    """The latest failures in a row from one checkpoint, oldest first; and whether the kernel found it unusable."""
    failed: list[SessionRecord] = []
    for record in reversed(sessions):
        if record.stage is not Stage.CLOSED or record.never_submitted or record.end_reason is None:
            continue
        if files_of_newest(FileEntry(**entry) for entry in record.ticket.get("inputs", ())) != newest:
            break
        found = check_start(record, start_steps)
        if found is StartCheck.SOUND:
            break
        if found is StartCheck.UNUSABLE:
            return (record,), True
        if found is StartCheck.FAILURE:
            failed.insert(0, record)
    return tuple(failed), False


def _open_walks(sessions: Sequence[SessionRecord], runs: Sequence[RunRecord]) -> Iterable[int]:
    """Steps of the checkpoints abandoned since the last fresh start that no session has passed since."""
    start = max((place for place, run in enumerate(runs) if run.fresh), default=0)
    keys = [record.key for record in sessions]
    for run in runs[start:]:
        for steps, after in run.walks:
            since = sessions[keys.index(after) + 1 :] if after in keys else ()
            if not any(record.restored and (record.models_steps or 0) > steps for record in since):
                yield steps


def _spec(record: SessionRecord) -> dict[str, Any]:
    spec: dict[str, Any] = record.ticket.get("spec", {})
    return spec
