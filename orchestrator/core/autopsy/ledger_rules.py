"""The rules that decide by the ledger and the campaign: whether a session ran at all, and who ended it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.autopsy.evidence import Evidence
from orchestrator.core.autopsy.findings import Found, decided, endings, finished, invalid_result, refusal
from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V
from orchestrator.core.autopsy.verdicts import Quote
from orchestrator.core.ledger.records import GONE, Stage
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EndReason

_STOPPED = (EndReason.STOPPED, EndReason.CANCELLED, EndReason.PAUSED)
FRESH = "Correct the section, then train it again with --fresh: the same code gives the same result."


def stopped_by_rule(evidence: Evidence) -> Found | None:
    """A rule of the campaign ended the training."""
    if not evidence.rule:
        return None
    detail = f"the campaign's rule {evidence.rule} ended the training"
    return Found(verdict=V.CANCELLED, quotes=(Quote(source="campaign file", text=evidence.rule),), detail=detail)


def finished_with_other_code(evidence: Evidence) -> Found | None:
    """The training is finished, with other code, criteria or scenarios than the present ones."""
    if not evidence.stale or evidence.run is None:
        return None
    return Found(
        verdict=V.STALE_CODE,
        quotes=(evidence.of_run("code_digest", str(evidence.run.code_digest)[:12]),),
        detail="it finished with other code, criteria or scenarios than the present ones",
    )


def refused_here(evidence: Evidence) -> Found | None:
    """The last tick refused to start it."""
    if not evidence.refusal:
        return None
    return refusal(evidence.refusal, Quote(source="ledger, refusals, why", text=evidence.refusal))


def run_reached_target(evidence: Evidence) -> Found | None:
    """The run is at its target."""
    run = evidence.run
    if not evidence.whole or run is None or run.end_reason not in GOOD_ENDS:
        return None
    target = "" if run.target_steps is None else f" of {run.target_steps}"
    invalid = invalid_result(evidence, run.verdict)
    at = f"{run.end_reason} at {run.steps_done}{target} steps" if target or run.steps_done else str(run.end_reason)
    quotes = (evidence.of_run("end_reason", at),)
    if invalid:
        return Found(verdict=V.TARGET_REACHED, quotes=quotes, detail=invalid, advice=(FRESH, "{again}"))
    return replace(finished(run.steps_done, run.target_steps), quotes=quotes)


_OF_RUN: Mapping[str, str] = {
    "emptied": "the models directory was emptied while the run was active",
    EndReason.CHECKPOINT_UNUSABLE.value: "the newest checkpoint cannot be used, and no earlier one is left",
}
"""End of a run that only its own row in the ledger states -> what it means."""


def no_checkpoint_left(evidence: Evidence) -> Found | None:
    """The run ended because its checkpoints were deleted, or cannot be used."""
    run = evidence.run
    if not evidence.whole or run is None or run.end_reason is None or run.end_reason not in _OF_RUN:
        return None
    if run.end_reason != "emptied" and evidence.session is not None:
        return None  # the session says what is wrong with the checkpoint
    quotes = (evidence.of_run("end_reason", run.end_reason),)
    return Found(verdict=V.CHECKPOINT_MISSING, quotes=quotes, detail=_OF_RUN[run.end_reason])


def waits_for_room(evidence: Evidence) -> Found | None:
    """It is not in flight, and there is no room for its next session."""
    if not evidence.waits:
        return None
    return refusal(evidence.waits, Quote(source="campaign, waits", text=evidence.waits))


def still_in_flight(evidence: Evidence) -> Found | None:
    """The session has not ended."""
    record, seen = evidence.session, evidence.seen
    if record is None or record.stage not in (Stage.PLANNED, Stage.SUBMITTED) or decided(evidence) is not None:
        return None
    if seen is not None and seen.state.terminal:
        return None
    stage = evidence.of_ledger("stage", record.stage.value)
    if seen is not None and seen.state is SessionState.ABSENT and record.stage is Stage.SUBMITTED:
        quotes = (*evidence.native(), stage)
        return Found(verdict=V.LOST, quotes=quotes, detail="the backend does not show the session")
    what = "it is in flight" if record.stage is Stage.SUBMITTED else "its push was not confirmed yet"
    advice = ("The same command watches it to its end; `cancel` stops it.", "{again}")
    return Found(verdict=V.UNKNOWN, quotes=(stage, *evidence.native()), detail=f"not ended: {what}", advice=advice)


def is_uncollected(evidence: Evidence) -> bool:
    """Whether the session has ended, and its outputs are not judged and restored yet."""
    record, seen = evidence.session, evidence.seen
    if record is None or record.stage in (Stage.PLANNED, Stage.CLOSED):
        return False
    terminal = seen is not None and seen.state.terminal
    return record.stage is not Stage.SUBMITTED or terminal or decided(evidence) is not None


def asked_to_stop(evidence: Evidence) -> Found | None:
    """A person, a campaign or a search asked it to stop, and it did."""
    record, end = evidence.session, decided(evidence)
    if record is None or record.stop_asked_by is None or (end is not None and end[0] not in _STOPPED):
        return None
    quotes = (evidence.of_ledger("stop_asked_by", record.stop_asked_by), *(quote for _, quote in endings(evidence)))
    return Found(verdict=V.CANCELLED, quotes=quotes[:3], detail=f"the {record.stop_asked_by} asked it to stop")


def never_submitted(evidence: Evidence) -> Found | None:
    """The backend refused the push, or the push was lost."""
    record = evidence.session
    if record is None or record.end_reason != EndReason.NEVER_SUBMITTED:
        return None
    if not record.problems:
        quotes = (evidence.of_ledger("end_reason", record.end_reason),)
        return Found(verdict=V.LOST, quotes=quotes, detail="its push was lost: the session never began")
    return refusal(record.problems[0], evidence.of_ledger("problems", record.problems[0]))


def stale_results(evidence: Evidence) -> Found | None:
    """What was fetched was made by other code, or by another session."""
    record = evidence.session
    if record is None or record.end_reason != EndReason.STALE_RESULTS:
        return None
    code = [one for one in record.problems if one.startswith("bundle_digest is ")]
    nonce = any(one.startswith("nonce is ") for one in record.problems)
    quotes = tuple(evidence.of_ledger("problems", one) for one in (code or record.problems)[:2])
    if code and not nonce:
        return Found(verdict=V.STALE_CODE, quotes=quotes, detail="its outputs were made by other code than was pushed")
    return Found(verdict=V.LOST, quotes=quotes, detail="the outputs under its name belong to another session")


def gone(evidence: Evidence) -> Found | None:
    """The backend no longer had the session when it was looked for."""
    record = evidence.session
    if record is not None and record.gone:
        detail = f"the backend no longer has the session ({str(record.native).removeprefix(GONE)})"
        return Found(verdict=V.LOST, quotes=(evidence.of_ledger("native", record.native),), detail=detail)
    if evidence.seen is not None and evidence.seen.gone:
        return Found(verdict=V.LOST, quotes=tuple(evidence.native()), detail="the backend no longer has the session")
    return None
