"""Recognises refused pushes, some of which look like accepted ones, and decides whether waiting helps. No I/O."""

from __future__ import annotations

import re
from datetime import datetime

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import SaveAnswer
from orchestrator.core.errors import BadInput, NotYet, OrchestratorError, OutcomeUnknown
from orchestrator.core.session.backend_types import Push

SLOT_WAIT_S = 120.0
"""Pause before the next attempt when all session slots are taken; sessions last hours, not seconds."""

RATE_WAIT_S = 60.0
"""Pause after a 429 that names none."""

PROCESSING_WAIT_S = 15.0
"""Pause while a dataset is being processed; small ones take seconds to minutes."""

_SESSION_CAP = re.compile(r"maximum .*session count", re.IGNORECASE)
_WEEKLY_QUOTA = re.compile(r"maximum weekly .*quota|quota .*(reached|exceeded)", re.IGNORECASE)
_PROCESSING = re.compile(r"process(ing|ed)|not (yet )?ready|being created", re.IGNORECASE)


def refusal(answer: SaveAnswer, slug: str, refresh_at: datetime | None) -> OrchestratorError | None:
    """Why a push was not accepted, None if it was.

    Args:
        slug: The requested slug.
        refresh_at: When the weekly quota is refreshed, if known.

    Returns:
        `NotYet` if waiting helps, `BadInput` with the server's message if it does not, `OutcomeUnknown` for an answer
        that neither accepts nor refuses.
    """
    if answer.error:
        return refused_with_message(answer.error, refresh_at)
    if not answer.ref or answer.version is None:
        message = f"Kaggle answered the push of {slug} without naming a version"
        remedy = "Open the kernel's page on kaggle.com to see why."
        return OutcomeUnknown(
            message, remedy=remedy, if_absent=BadInput(f"{message}, and there is none", remedy=remedy)
        )
    return None


def refused_with_message(message: str, refresh_at: datetime | None = None) -> OrchestratorError:
    """The error for a refusal with this message of the service."""
    if _SESSION_CAP.search(message):
        return NotYet(f"Kaggle: {message}", remedy="A slot frees when a session ends.", wait_s=SLOT_WAIT_S)
    if _WEEKLY_QUOTA.search(message):
        return NotYet(
            f"Kaggle: {message}",
            remedy="Run the same command again after the quota's refresh; nothing is lost.",
            until=refresh_at,
        )
    return BadInput(
        f"Kaggle refused the push: {message}", remedy="Fix what Kaggle names, then run the same command again."
    )


def fault_of_push(fault: ServiceFault) -> OrchestratorError:
    """The error for a push that failed with an HTTP status, or without an answer."""
    if fault.status == 429:
        return NotYet(str(fault), remedy="Kaggle asks for fewer requests.", wait_s=fault.wait_s or RATE_WAIT_S)
    if fault.undecided:
        return OutcomeUnknown(str(fault), remedy=fault.remedy)
    if fault.status == 409:
        return conflict(fault.message)
    if fault.status in (401, 403):
        return fault
    return refused_with_message(fault.message or f"HTTP {fault.status}")


def image_refused(problem: OrchestratorError, push: Push) -> OrchestratorError:
    """The same refusal; if the push asks for the image of an earlier session, its remedy says how to let it go."""
    if not push.keeps_image or not isinstance(problem, BadInput):
        return problem
    return BadInput(
        f"{problem}; the push asks for the image of the earlier sessions, {push.settings['docker_image']}",
        remedy=f"If Kaggle no longer has this image, continue in the present one: `run {push.ticket.section} "
        "--new-image`, in a campaign `campaign tick FILE --new-image`; if its libraries differ, the resume is at most "
        "statistical.",
    )


def lost_sources(answer: SaveAnswer) -> tuple[str, ...]:
    """Inputs that the service dropped although it accepted the push: the session starts without them."""
    return tuple(f"{kind} {name}" for kind, names in answer.invalid_sources.items() for name in names)


def conflict(message: str) -> OrchestratorError:
    """The error for a 409: usually a dataset is still being processed, else the title belongs to another kernel."""
    if _PROCESSING.search(message):
        return NotYet(f"Kaggle: {message}", remedy="The dataset is still being processed.", wait_s=PROCESSING_WAIT_S)
    return BadInput(
        f"Kaggle refused the push: {message}",
        remedy="A kernel of that name may exist with another title; delete it on kaggle.com or use --fresh.",
    )
