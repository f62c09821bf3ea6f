"""Expected failures, each with the exit code of the command.

    OrchestratorError            exit code
    ├── BadInput                 2   the user must fix it: flag, file, card, models directory
    │   ├── InUse                    another command is working on the same training
    │   └── CheckpointsMissing       the ledger knows steps, but none of their checkpoints is found
    ├── RunFailed                1   the run cannot continue; its results and checkpoints are kept
    │   └── StorageFault         2       this computer cannot write or read: full disk, missing permission
    ├── NameTaken                1   the backend already has another session of this name
    └── RemoteUnavailable        4   the backend cannot be reached, or its quota is spent; run the command again later
        ├── NotYet                   the backend refuses for now: no slot, weekly quota, dataset being processed
        └── OutcomeUnknown           the request may have been carried out; its answer was lost

Any other exception is our own bug: exit code 3.
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
    """An expected failure, with a cause and a remedy.

    Attributes:
        remedy: What the user can do, as a sentence.
        transient: Whether the same request may succeed if it is simply repeated.
        wait_s: Seconds to wait before the next try, None if unknown.
        files: Paths of the files that the command has written all the same.
    """

    exit_code: ClassVar[int] = EXIT_RUN_FAILED

    def __init__(self, cause: str, *, remedy: str = "", transient: bool = False) -> None:
        super().__init__(cause)
        self.remedy = remedy
        self.transient = transient
        self.wait_s: float | None = None
        self.files: tuple[str, ...] = ()


class BadInput(OrchestratorError):
    """The user's input cannot be used; nothing was changed."""

    exit_code = EXIT_BAD_INPUT


class InUse(BadInput):
    """Another command holds what this one needs, and releases it when it ends."""


class CheckpointsMissing(BadInput):
    """The ledger knows steps of a training but none of its checkpoints is found: it must not start from step 0.

    Args:
        place: Folder into which the user can copy its checkpoints.
        command: The `run` command of this training, starting with the word `run`.
        first: Text before the remedy.
    """

    def __init__(self, cause: str, *, place: str, command: str, first: str = "") -> None:
        super().__init__(cause)
        self._place, self._first = place, first
        self.advise(command)

    def advise(self, command: str) -> None:
        """Set the remedy, with the exact command of the training."""
        self.remedy = (
            f"{self._first}Copy its checkpoints into {self._place} to continue from them; "
            f"or start over on purpose: `python -m orchestrator {command} --fresh`."
        )


class RunFailed(OrchestratorError):
    """The run cannot reach its target; its results and checkpoints are kept."""

    exit_code = EXIT_RUN_FAILED


class StorageFault(RunFailed):
    """Files cannot be written or read on this computer; once they can, the same command continues."""

    exit_code = EXIT_BAD_INPUT


class RemoteUnavailable(OrchestratorError):
    """The backend cannot be reached or used now."""

    exit_code = EXIT_REMOTE


class NotYet(RemoteUnavailable):
    """The backend works but refuses this request for now; nothing was changed there.

    Attributes:
        until: When it will accept it, if known (the refresh of a weekly quota).
    """

    def __init__(
        self, cause: str, *, remedy: str = "", wait_s: float | None = None, until: datetime | None = None
    ) -> None:
        super().__init__(cause, remedy=remedy, transient=True)
        self.wait_s = wait_s
        self.until = until


class NameTaken(OrchestratorError):
    """The backend has another session of this name: the new session needs another number."""


class OutcomeUnknown(RemoteUnavailable):
    """The request may have been carried out: look for its result, never simply repeat it.

    Attributes:
        if_absent: The failure to raise if nothing is found; None if the request may then be sent again.
    """

    def __init__(self, cause: str, *, remedy: str = "", if_absent: OrchestratorError | None = None) -> None:
        super().__init__(cause, remedy=remedy, transient=True)
        self.if_absent = if_absent
