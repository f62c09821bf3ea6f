"""What can go wrong, by who must act.

    OrchestratorError            exit code
    ├── BadInput                 2   the user mends it: flag, file, card, models directory
    │   ├── InUse                    another command works on the same training just now
    │   └── CheckpointsMissing       the ledger knows steps of which no checkpoint is left anywhere
    ├── RunFailed                1   the run cannot go on; what it made is kept
    │   └── StorageFault         2       this computer cannot write or read: a full disk, a missing permission
    ├── NameTaken                1   a session's name is used already over there
    └── RemoteUnavailable        4   the far side is away or its quota is spent; the same command goes on later
        ├── NotYet                   it takes this act later: a slot, the weekly quota, a dataset being processed
        └── OutcomeUnknown           the act may have happened; its answer was lost

Anything else that is raised is our own bug: exit code 3.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

EXIT_DONE = 0
EXIT_RUN_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_OUR_BUG = 3
EXIT_REMOTE = 4
EXIT_INTERRUPTED = 130


class OrchestratorError(Exception):
    """An expected failure: one line of cause, one of remedy.

    Attributes:
        remedy: What the user can do, as a sentence.
        transient: Whether the same act may succeed if it is simply repeated.
        wait_s: Seconds after which asking again makes sense, None if nobody knows.
    """

    exit_code: ClassVar[int] = EXIT_RUN_FAILED

    def __init__(self, cause: str, *, remedy: str = "", transient: bool = False) -> None:
        super().__init__(cause)
        self.remedy = remedy
        self.transient = transient
        self.wait_s: float | None = None


class BadInput(OrchestratorError):
    """Something that the user gave cannot be used; nothing was changed."""

    exit_code = EXIT_BAD_INPUT


class InUse(BadInput):
    """Another command holds what this one needs; it lets go by itself."""


class CheckpointsMissing(BadInput):
    """A training has steps by the ledger, and none of its checkpoints can be found: it must not start from step 0.

    Args:
        place: Folder into which the user can copy its checkpoints.
        command: The `run` command of this training, from the word `run` on.
        first: A sentence before the remedy.
    """

    def __init__(self, cause: str, *, place: str, command: str, first: str = "") -> None:
        super().__init__(cause)
        self._place, self._first = place, first
        self.advise(command)

    def advise(self, command: str) -> None:
        """Name the exact command of the training in the remedy."""
        self.remedy = (
            f"{self._first}Copy its checkpoints into {self._place} to go on from them; "
            f"or start over on purpose: `python -m orchestrator {command} --fresh`."
        )


class RunFailed(OrchestratorError):
    """The run cannot reach its target; results and checkpoints so far are kept."""

    exit_code = EXIT_RUN_FAILED


class StorageFault(RunFailed):
    """Files cannot be written or read on this computer; the same command goes on once they can."""

    exit_code = EXIT_BAD_INPUT


class RemoteUnavailable(OrchestratorError):
    """The backend cannot be reached or used now."""

    exit_code = EXIT_REMOTE


class NotYet(RemoteUnavailable):
    """The far side is well and cannot take this act now; nothing happened there.

    Attributes:
        until: When it will take it, where it says so (the refresh of a weekly quota).
    """

    def __init__(
        self, cause: str, *, remedy: str = "", wait_s: float | None = None, until: datetime | None = None
    ) -> None:
        super().__init__(cause, remedy=remedy, transient=True)
        self.wait_s = wait_s
        self.until = until


class NameTaken(OrchestratorError):
    """The name of a session belongs to another session over there: this one needs another number."""


class OutcomeUnknown(RemoteUnavailable):
    """The request may or may not have been carried out: it must be read back, never simply repeated.

    Attributes:
        if_absent: What the answer meant if reading back finds nothing; None if it may then be sent again.
    """

    def __init__(self, cause: str, *, remedy: str = "", if_absent: OrchestratorError | None = None) -> None:
        super().__init__(cause, remedy=remedy, transient=True)
        self.if_absent = if_absent
