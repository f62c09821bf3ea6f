"""Failures of Ray's client as errors of this program. No I/O, and no import of Ray."""

from __future__ import annotations

import re

from orchestrator.core.errors import BadInput, NameTaken, NotYet, OrchestratorError, OutcomeUnknown, RemoteUnavailable

INSTALL = "Install it: python -m pip install fsspec 'ray[default]'; or choose another backend: --backend local."

_STATUS = re.compile(r"Request failed with status code (\d{3})")
_EXISTS = re.compile(r"submission_id \S+ already exists")
_FOR_NOW = re.compile(r"No available agent|Failed to get head node agent|Head node id has not yet been persisted")
"""The head has no process that could take the job: nothing was submitted. Source: `job_head.py` of Ray."""
_REFUSED = re.compile(r"^(?:\w+\.)*(?:ValueError|TypeError|RuntimeEnvSetupError): (.+)", re.MULTILINE)
_NOT_SENT = re.compile(
    r"Connection refused|Failed to establish a new connection|NewConnectionError|NameResolutionError"
)
_WAIT_S = 30.0


def missing_client() -> RemoteUnavailable:
    """The error of a computer without Ray."""
    return RemoteUnavailable("the backend ray needs Ray's client, which is not installed", remedy=INSTALL)


def status_of(fault: Exception) -> int | None:
    """HTTP status that the cluster answered with; None if it did not answer."""
    found = _STATUS.search(str(fault))
    return int(found[1]) if found else None


def of_query(fault: Exception | str, address: str) -> RemoteUnavailable:
    """The error of a query that failed; a later one may succeed."""
    return RemoteUnavailable(
        f"Ray at {address}: {_sentence(fault)}",
        remedy=f"Run the same command again when it answers (`curl {address}/api/version`); the sessions go on.",
        transient=True,
    )


def of_submit(fault: Exception, slug: str, address: str) -> OrchestratorError:
    """The error of a job that the cluster did not take, or may not have taken."""
    text = str(fault)
    why = f"Ray at {address}: {_sentence(fault)}"
    if _EXISTS.search(text):
        return NameTaken(f"Ray at {address} already has a job {slug}")
    if _FOR_NOW.search(text):
        return NotYet(why, remedy="Run the same command again when the head of the cluster is ready.", wait_s=_WAIT_S)
    if isinstance(fault, ConnectionError) or _NOT_SENT.search(text):
        return NotYet(why, remedy=f"Run the same command again when {address} answers.", wait_s=_WAIT_S)
    statuses = set(map(int, _STATUS.findall(text)))  # of the dashboard, and in its text that of the head's agent
    garbled = type(fault).__name__ == "JSONDecodeError"  # a ValueError too, about an answer
    if (
        (isinstance(fault, ValueError | TypeError) and not garbled)
        or _REFUSED.search(text)
        or statuses & {400, 401, 403, 413, 422}
    ):
        return BadInput(why, remedy="Correct the block `ray` in the section's card; nothing was submitted.")
    return OutcomeUnknown(why, remedy="Run the same command again: it looks for the job before it sends another.")


def _sentence(fault: Exception | str) -> str:
    """Ray's own words, on one line: of a traceback its last error."""
    text = str(fault).strip()
    refused = _REFUSED.findall(text)
    line = refused[-1] if refused else text
    return " ".join(line.split())[:300] or type(fault).__name__
