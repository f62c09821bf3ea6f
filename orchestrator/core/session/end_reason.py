"""Why a session ended, and what a run does next. A test checks that the tables are complete."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding


class EndReason(StrEnum):
    """Every way in which a session ends. Those up to `CHECKPOINT_UNUSABLE` are the kernel's own words."""

    FINISHED = "finished"
    PAUSED = "paused"
    STOPPED = "stopped"
    SECTION_FAILED = "section_failed"
    REFUSED = "refused"
    CARRIER_MISSING = "carrier_missing"
    DISK_FULL = "disk_full"
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"
    CRASHED = "crashed"
    WALL_LIMIT = "wall_limit"
    CANCELLED = "cancelled"
    STALE_RESULTS = "stale_results"
    NEVER_SUBMITTED = "never_submitted"


class Effect(StrEnum):
    """What a run does after a session."""

    GO_ON = "go_on"
    """The session did its part: decide the next step from the models directory."""
    TRY_AGAIN = "try_again"
    """The infrastructure failed: continue from what was fetched, or repeat the session, a few times."""
    WALK_BACK = "walk_back"
    """Its start checkpoint is unusable: continue from the one before."""
    GIVE_UP = "give_up"
    """A repetition would fail in the same way."""
    HALT = "halt"
    """A person stopped it."""
    REST = "rest"
    """The machine cannot run it now; the training is not at fault. The same command continues later."""


EFFECTS: Mapping[EndReason, Effect] = {
    EndReason.FINISHED: Effect.GO_ON,
    EndReason.PAUSED: Effect.GO_ON,
    EndReason.STOPPED: Effect.HALT,
    EndReason.SECTION_FAILED: Effect.GIVE_UP,
    EndReason.REFUSED: Effect.GIVE_UP,
    EndReason.CARRIER_MISSING: Effect.TRY_AGAIN,
    EndReason.DISK_FULL: Effect.REST,
    EndReason.CHECKPOINT_UNUSABLE: Effect.WALK_BACK,
    EndReason.CRASHED: Effect.TRY_AGAIN,
    EndReason.WALL_LIMIT: Effect.TRY_AGAIN,
    EndReason.CANCELLED: Effect.HALT,
    EndReason.STALE_RESULTS: Effect.GIVE_UP,
    EndReason.NEVER_SUBMITTED: Effect.TRY_AGAIN,
}

OF_KERNEL: Mapping[KernelEnding, EndReason] = {ending: EndReason(ending.value) for ending in KernelEnding}

OF_EXIT_CODE: Mapping[int, EndReason] = {EXIT_CODES[KernelEnding.DISK_FULL]: EndReason.DISK_FULL}
"""Exit code -> end reason of a kernel that could not write a manifest."""

REMEDIES: Mapping[EndReason, str] = {
    EndReason.STOPPED: "Run the same command again to continue from the saved checkpoint.",
    EndReason.CANCELLED: "Run the same command again to continue from the saved checkpoint.",
    EndReason.SECTION_FAILED: "Read the error above and the session's log, fix the section's code or its "
    "settings, then run the same command again: it continues from the last good checkpoint.",
    EndReason.REFUSED: "The kernel refused its inputs before training; its reason is shown above.",
    EndReason.CARRIER_MISSING: "The checkpoints did not reach the session; its error lists what did. Run the "
    "same command again: it sends them again.",
    EndReason.DISK_FULL: "The session's disk was full. Free disk space there (on this computer, if the backend is "
    "local), then run the same command again: it continues from the last checkpoint.",
    EndReason.CHECKPOINT_UNUSABLE: "The checkpoint holds numbers that no training can continue from; the run continues "
    "from the checkpoint before it.",
    EndReason.CRASHED: "`python -m orchestrator why` shows the likely cause; the same command continues.",
    EndReason.WALL_LIMIT: "Lower the profile's deadline_s so that the session can save before the wall limit.",
    EndReason.STALE_RESULTS: "The outputs belong to another session and were not used. Run the same command again.",
    EndReason.NEVER_SUBMITTED: "Run the same command again.",
}
"""End reason that stops a run -> what the user can do."""

RUN_REMEDIES: Mapping[str, str] = {
    "stuck": "Three sessions in a row made no new steps.",
    "checkpoint_unusable": "The newest checkpoint cannot be used, and no earlier one of its ancestry is in the models "
    "directory or in the results. Put one back from your own copy, or start over: `python -m orchestrator run "
    "{section} --fresh` (it archives what is there).",
    "emptied": "The models directory was emptied while the run was active. Run the command again to start over.",
}
"""End reason of a run alone -> what the user can do."""
