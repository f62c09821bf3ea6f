"""The rules that decide by the session: its own report, the state and exit code of its process, the end of its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.autopsy.error_text import (
    EXCEPTIONS,
    STATES,
    failures,
    first_sign,
    is_of_child,
)
from orchestrator.core.autopsy.evidence import Evidence
from orchestrator.core.autopsy.findings import (
    Found,
    decided,
    error_quotes,
    error_text,
    finished,
    invalid_result,
    last_line,
    named,
    printed,
    refusal,
)
from orchestrator.core.autopsy.ledger_rules import FRESH
from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V
from orchestrator.core.autopsy.verdicts import Quote
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.timestamps import parse_timestamp

ENDINGS: Mapping[EndReason, V] = {
    EndReason.FINISHED: V.TARGET_REACHED,
    EndReason.PAUSED: V.PAUSED,
    EndReason.STOPPED: V.CANCELLED,
    EndReason.CANCELLED: V.CANCELLED,
    EndReason.DISK_FULL: V.DISK_FULL,
    EndReason.WALL_LIMIT: V.WALL,
    EndReason.CARRIER_MISSING: V.CHECKPOINT_MISSING,
}
"""End reason -> verdict, where the end reason alone decides."""

_WITH_ERROR = (EndReason.DISK_FULL, EndReason.CARRIER_MISSING)
KILLED = 9
SIGNALS: Mapping[int, tuple[V, str]] = {
    1: (V.CANCELLED, "its terminal was closed (signal 1)"),
    2: (V.CANCELLED, "the process was interrupted (signal 2)"),
    4: (V.SECTION_ERROR, "the process used an instruction that this processor lacks (signal 4)"),
    6: (V.SECTION_ERROR, "the process aborted (signal 6)"),
    7: (V.SECTION_ERROR, "the process crashed in its memory (signal 7)"),
    8: (V.SECTION_ERROR, "the process crashed in an integer operation (signal 8)"),
    KILLED: (
        V.OUT_OF_MEMORY,
        "the process was killed (signal 9), usually because memory was used up",
    ),
    11: (V.SECTION_ERROR, "the process crashed in its memory (signal 11)"),
    15: (V.CANCELLED, "the process was asked from outside to end (signal 15)"),
    24: (V.WALL, "the process reached the system's limit of computing time (signal 24)"),
    25: (V.DISK_FULL, "a file reached the system's limit of file sizes (signal 25)"),
}
"""Signal that ended a process -> verdict. Source of the numbers: signal(7) of Linux."""

WINDOWS: Mapping[int, tuple[V, str]] = {
    0xC0000005: (V.SECTION_ERROR, "the process crashed in its memory (0xC0000005)"),
    0xC0000017: (V.OUT_OF_MEMORY, "Windows had no memory left (0xC0000017)"),
    0xC00000FD: (V.SECTION_ERROR, "the stack of the process overflowed (0xC00000FD)"),
    0xC000012D: (V.OUT_OF_MEMORY, "the page file of Windows is too small (0xC000012D)"),
    0xC0000135: (V.DEPENDENCY_MISSING, "a DLL was not found (0xC0000135)"),
    0xC0000139: (V.DEPENDENCY_MISSING, "a DLL has another version than expected (0xC0000139)"),
    0xC000013A: (V.CANCELLED, "the process was interrupted (0xC000013A)"),
}
"""Exit code of a process on Windows -> verdict. Source: NTSTATUS values of [MS-ERREF], section 2.3.1."""

_WALL_SHARE = 0.98


def kernel_ending(evidence: Evidence) -> Found | None:
    """The session itself reports how it ended."""
    end = decided(evidence)
    if end is None:
        return None
    reason, quote = end
    if reason in ENDINGS:
        verdict = evidence.manifest.outcome.verdict if evidence.manifest is not None else None
        invalid = invalid_result(evidence, verdict) if reason is EndReason.FINISHED else ""
        if reason is EndReason.FINISHED and not invalid:
            return replace(_good_end(evidence), quotes=(quote,))
        return Found(
            verdict=ENDINGS[reason],
            quotes=(quote, *(error_quotes(evidence) if reason in _WITH_ERROR else ())),
            detail=invalid,
            advice=(FRESH, "{again}") if invalid else None,
        )
    text, _ = error_text(evidence)
    quotes = (*error_quotes(evidence), quote)
    if reason is EndReason.CHECKPOINT_UNUSABLE:
        if "is not finite" in text:
            return Found(verdict=V.NAN, quotes=quotes, detail="the checkpoint holds NaN or an infinity")
        return Found(verdict=V.CHECKPOINT_MISSING, quotes=quotes, detail="the checkpoint cannot be used")
    if reason is EndReason.REFUSED:
        return replace(refusal(text, quote), quotes=quotes)
    return _section_failed(evidence, quote)


def _good_end(evidence: Evidence) -> Found:
    record, manifest = evidence.session, evidence.manifest
    steps_done = manifest.outcome.steps_done if manifest is not None else record.steps_done if record else None
    if record is None or steps_done is None:
        return Found(verdict=V.TARGET_REACHED, quotes=())
    return finished(steps_done, record.target_steps)


def _section_failed(evidence: Evidence, ending: Quote) -> Found:
    text, source = error_text(evidence)
    messages = list(failures(text))
    for message in messages:
        if (found := first_sign(message, EXCEPTIONS)) is not None:
            quotes = (Quote(source=source, text=message), ending)
            return Found(verdict=found[0].verdict, quotes=quotes, detail=found[1])
    if (not messages or is_of_child(messages[0])) and (said := printed(evidence)) is not None:
        return Found(verdict=said.verdict, quotes=(*said.quotes, ending), detail=said.detail)
    detail = named(V.SECTION_ERROR, messages[0]) if messages else ""
    return Found(verdict=V.SECTION_ERROR, quotes=(*error_quotes(evidence), ending), detail=detail)


def native_state(evidence: Evidence) -> Found | None:
    """The backend's own words name the cause."""
    for quote in evidence.native():
        if (found := first_sign(quote.text, STATES)) is not None:
            return Found(verdict=found[0].verdict, quotes=(quote,))
    return None


def signal(evidence: Evidence) -> Found | None:
    """A signal, or Windows, ended the process. For other signals than 9, the log may name a better reason."""
    for code, quote in evidence.exit_codes():
        number = -code if code < 0 else code - 128
        if code % 2**32 in WINDOWS:
            verdict, detail = WINDOWS[code % 2**32]
            return Found(verdict=verdict, quotes=(quote, *last_line(evidence)), detail=detail)
        if number not in SIGNALS:
            continue
        if number == KILLED:
            if (late := at_its_deadline(evidence)) is not None:
                return Found(verdict=V.WALL, quotes=(quote, *late.quotes))
        elif (said := printed(evidence)) is not None:
            return Found(verdict=said.verdict, quotes=(*said.quotes, quote), detail=said.detail)
        verdict, detail = SIGNALS[number]
        return Found(verdict=verdict, quotes=(quote, *last_line(evidence)), detail=detail)
    return None


def printed_error(evidence: Evidence) -> Found | None:
    """The end of the log names the cause."""
    return printed(evidence)


def at_its_deadline(evidence: Evidence) -> Found | None:
    """The last event of a session without a manifest lies at its deadline."""
    events = evidence.outputs.events
    deadline_s = None if evidence.session is None else evidence.session.ticket.get("spec", {}).get("deadline_s")
    if not events or events[0][0] != 1 or not isinstance(deadline_s, int | float):
        return None
    begun, last = (parse_timestamp(str(events[place][1].get("at"))) for place in (0, -1))
    passed_s = 0.0 if begun is None or last is None else (last - begun).total_seconds()
    if passed_s < _WALL_SHARE * deadline_s:
        return None
    text = f"the last event is {passed_s:.0f} s after the first one; the deadline was {deadline_s:.0f} s"
    return Found(verdict=V.WALL, quotes=(evidence.outputs.of_event(events[-1][0], text),))


def outputs_lost(evidence: Evidence) -> Found | None:
    """The session vanished, or ended well by its backend, and left no manifest."""
    record = evidence.session
    problems = () if record is None else tuple(evidence.of_ledger("problems", one) for one in record.problems[:1])
    for quote in evidence.native():
        if quote.text == "vanished":
            detail = "its process ended without a record: a power cut, a restart or a kill"
            return Found(verdict=V.LOST, quotes=(quote, *problems, *last_line(evidence)), detail=detail)
        if quote.text == "COMPLETE" or (quote.text == "exit 0" and evidence.manifest is None):
            return Found(verdict=V.LOST, quotes=(quote, *problems), detail="it ended, but its outputs did not arrive")
    if record is not None and record.lacking:
        return Found(verdict=V.LOST, quotes=problems, detail="its outputs could not be fetched")
    return None


def failed_exit(evidence: Evidence) -> Found | None:
    """The process ended with a code of its own, and nothing else is known."""
    for code, quote in evidence.exit_codes():
        if code != 0:
            detail = f"the process ended with exit code {code} and wrote no manifest"
            return Found(verdict=V.SECTION_ERROR, quotes=(quote, *last_line(evidence)), detail=detail)
    return None
