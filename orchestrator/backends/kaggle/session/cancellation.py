"""Stops a running session. Kaggle wants the session's own number, which only the session itself knows.

The number is in the first report of its log. The kernel's id and the version number are refused.
"""

from __future__ import annotations

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import observation
from orchestrator.backends.kaggle.session.live_log import first_report
from orchestrator.core.errors import BadInput, NotYet
from orchestrator.core.session.backend_types import Handle, Look, SessionState
from orchestrator.kernel.session.container import OPENED, opened_id

_LOOK_AGAIN_S = 15.0
_OVER = frozenset({SessionState.ENDED, SessionState.SAVING})


def identify(api: KaggleApi, handle: Handle, look: Look | None = None) -> int | None:
    """The number of a running session, None for one that has ended or is saving.

    Args:
        look: A look that was just made at it; without one Kaggle is asked.

    Raises:
        NotYet: It is queued, or has written nothing yet.
        BadInput: Its log begins without the number, or it is another account's.
        ServiceFault: Kaggle did not answer.
    """
    state, native = _state(api, handle) if look is None else (look.observation.state, look.observation.native)
    if state in _OVER:
        return None
    if handle.owner.lower() != api.account.lower():
        raise _another_account(handle, f"it is not a session of {api.account}")
    report = None
    if state is SessionState.RUNNING:
        report = first_report(api, handle) if look is None else next(iter(look.events), None)
    if report is not None:
        if (number := opened_id(report)) is not None:
            return number
        without = "the name of its container" if report["kind"] == OPENED else "the first line of its log"
        raise BadInput(
            f"{handle.slug} cannot be stopped from here and goes on: {without} holds no session number",
            remedy=f"Stop it on {page_of(handle)}; `fetch` then collects what it saved.",
        )
    raise NotYet(
        f"{handle.slug} has not shown its session number yet ({native})",
        remedy="It is in the first line of its log: run the same command again once it is running.",
        wait_s=_LOOK_AGAIN_S,
    )


def cancel(api: KaggleApi, handle: Handle, session_id: int | None) -> None:
    """Ask Kaggle to stop a session; does nothing for one that has ended or was asked before.

    Raises:
        NotYet: Its number is not known.
        BadInput: Kaggle refused.
        ServiceFault: Whether Kaggle has carried it out is not known.
    """
    if session_id is None:
        session_id = identify(api, handle)
        if session_id is None:
            return
    elif _state(api, handle)[0] in _OVER:
        return
    try:
        refusal = api.cancel_session(session_id)
    except ServiceFault as fault:
        # The session may have ended in the same moment, or an earlier request with a lost answer has arrived.
        if _is_over(api, handle):
            return
        if fault.status == 403:
            raise _another_account(handle, fault.message) from fault
        if fault.status in (400, 404):
            raise _refused(handle, fault.message) from fault
        raise
    if refusal and not _is_over(api, handle):
        raise _refused(handle, refusal)


def page_of(handle: Handle) -> str:
    """Address of a kernel's page."""
    return f"https://www.kaggle.com/code/{handle.owner}/{handle.slug}"


def _state(api: KaggleApi, handle: Handle) -> tuple[SessionState, str]:
    try:
        seen = observation(*api.status(handle.owner, handle.slug))
    except ServiceFault as fault:
        if fault.status not in (403, 404):
            raise
        return SessionState.ABSENT, "not visible"
    return seen.state, seen.native


def _is_over(api: KaggleApi, handle: Handle) -> bool:
    try:
        return _state(api, handle)[0] in _OVER
    except ServiceFault:
        return False  # the first fault is the one to report


def _refused(handle: Handle, why: str) -> BadInput:
    return BadInput(
        f"Kaggle does not stop {handle.slug}: {why}",
        remedy=f"Stop it on {page_of(handle)}; `fetch` then collects what it saved.",
    )


def _another_account(handle: Handle, why: str) -> BadInput:
    return BadInput(
        f"Kaggle does not let this account stop {handle.slug}: {why}",
        remedy=f"Only the account that started a session can stop it: sign in as {handle.owner}, "
        f"or stop it on {page_of(handle)}.",
    )
