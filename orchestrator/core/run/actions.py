"""What a command can do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from orchestrator.core.checkpoint.compatibility import Compatibility
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.checkpoint.walk_back import WalkBack
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.open_run import OpenRun
from orchestrator.core.session.backend_types import Observation
from orchestrator.core.session.slug import Place


class Missing(Enum):
    """What may exist elsewhere and not here."""

    CHECKPOINTS = "checkpoints"
    """Checkpoints that the ledger knows: in the results, or on the backend."""
    SESSIONS = "sessions"
    """Sessions on the backend that the ledger lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Search for what is missing here, and take it over."""

    what: Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A session goes on, or has not shown up yet."""

    record: SessionRecord
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Fetch, judge and restore a session, and close it.

    Attributes:
        end: How it ended, None where that is to be asked.
        lost: Whether it was never started: it is closed without outputs.
        keep: Whether its checkpoints are put in place; False when the user starts over.
        run: The run for which a closed session is looked at once more, None for an open session.
        mode: What is done with the models directory before that run goes on.
    """

    record: SessionRecord
    end: Observation | None = None
    lost: bool = False
    keep: bool = True
    run: OpenRun | None = None
    mode: StartMode = StartMode.CONTINUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a session.

    Attributes:
        mode: What is done with the models directory first.
        comparison: Of the checkpoint with the training that continues it, None at a beginning.
        walk_back: The step back that comes first; the session is decided again after it.
    """

    run: OpenRun
    place: Place
    mode: StartMode
    inventory: CheckpointInventory
    comparison: Compatibility | None = None
    walk_back: WalkBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Leave, with this end of the run.

    Attributes:
        run: None where a session of another command stays in flight.
        in_flight: That session.
    """

    end: str
    run: OpenRun | None = None
    mode: StartMode = StartMode.CONTINUE
    problems: tuple[str, ...] = ()
    in_flight: SessionRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Change nothing; say why.

    Attributes:
        lines: The reasons in the users' own log lines.
    """

    fault: BadInput
    lines: tuple[str, ...] = ()


Action = Adopt | Wait | Collect | Start | Finish | Refuse
