"""What the rules of an autopsy share: how a session ended by each source, its error, the end of its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.autopsy.error_text import (
    BARE,
    EXCEPTIONS,
    REFUSALS,
    Sign,
    failures,
    first_sign,
    is_of_child,
    looks_like_error,
)
from orchestrator.core.autopsy.evidence import Evidence
from orchestrator.core.autopsy.verdicts import MEANINGS, Quote
from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V
from orchestrator.core.session.end_reason import OF_EXIT_CODE, OF_KERNEL, EndReason
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.wire import parse_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule found.

    Attributes:
        quotes: What it rests on.
        detail: What is known beyond the verdict's meaning; empty for nothing.
        advice: What the user does next, and the command; None for those of the verdict.
        words: The verdict for people, where its own words do not fit; else empty.
    """

    verdict: V
    quotes: tuple[Quote, ...]
    detail: str = ""
    advice: tuple[str, str] | None = None
    words: str = ""


Rule = Callable[[Evidence], Found | None]


def endings(evidence: Evidence) -> Iterator[tuple[EndReason, Quote]]:
    """How the session ended by each source, the surest first: ledger, manifest, event file, log, exit code."""
    record, outputs = evidence.session, evidence.outputs
    if record is not None and (judged := _known(record.end_reason)) is not None:
        yield judged, evidence.of_ledger("end_reason", judged.value)
    if not _is_contradicted(evidence):
        if (manifest := evidence.manifest) is not None:
            ending = manifest.outcome.ending
            yield OF_KERNEL[ending], outputs.of_manifest("end_reason", ending.value)
        yield from _reported_endings(evidence)
    for code, quote in evidence.exit_codes():
        if code in OF_EXIT_CODE:
            yield OF_EXIT_CODE[code], quote
    if evidence.seen is not None and evidence.seen.reason is not None:
        yield evidence.seen.reason, Quote(source="backend, reason", text=evidence.seen.reason.value)


def _is_contradicted(evidence: Evidence) -> bool:
    """Whether the process ended with another code than its manifest says: it died after it had written it."""
    manifest = evidence.manifest
    return manifest is not None and any(code != manifest.exit_code for code, _ in evidence.exit_codes())


def _reported_endings(evidence: Evidence) -> Iterator[tuple[EndReason, Quote]]:
    outputs = evidence.outputs
    for number, event in reversed(outputs.events):
        if event.get("kind") == "ending" and (known := _known(event.get("end_reason"))) is not None:
            yield known, outputs.of_event(number, f"ending: {known.value}")
            break
    for line in reversed(outputs.log):
        report = parse_report(line.text)
        if report and report["kind"] == "ending" and (known := _known(report.get("end_reason"))) is not None:
            yield known, outputs.of_log(line)
            break


def _known(word: object) -> EndReason | None:
    return EndReason(word) if isinstance(word, str) and word in {one.value for one in EndReason} else None


def decided(evidence: Evidence) -> tuple[EndReason, Quote] | None:
    """The surest ending that says more than that the session wrote no manifest."""
    return next((one for one in endings(evidence) if one[0] is not EndReason.CRASHED), None)


def error_text(evidence: Evidence) -> tuple[str, str]:
    """The text of the session's failure and its source: the manifest, else the last text that it reported.

    Both are empty without one.
    """
    manifest, outputs = evidence.manifest, evidence.outputs
    if manifest is not None and manifest.error:
        return manifest.error, outputs.of_manifest("error", "").source
    for number, event in reversed(outputs.events):
        if event.get("kind") == "said" and isinstance(event.get("text"), str):
            return str(event["text"]).removeprefix("Session refused: "), outputs.of_event(number, "").source
        if event.get("kind") not in ("ending", "dropped"):
            break
    return "", ""


def error_quotes(evidence: Evidence) -> tuple[Quote, ...]:
    """The final message of that text, without its frames."""
    text, source = error_text(evidence)
    return tuple(Quote(source=source, text=message) for message in list(failures(text))[:1])


def finished(steps_done: int, target_steps: int | None) -> Found:
    """A good end: at the target, or where the section itself decided to end.

    Args:
        target_steps: None if the section decides.
    """
    if target_steps is None and not steps_done:
        return Found(verdict=V.TARGET_REACHED, quotes=(), words="finished", detail="it ran to its end", advice=_DONE)
    if target_steps is None or steps_done < target_steps:
        detail = "its section declared the training finished"
        return Found(verdict=V.TARGET_REACHED, quotes=(), words="finished", detail=detail)
    return Found(verdict=V.TARGET_REACHED, quotes=())


_DONE = ("Nothing is left to run; `run --fresh` repeats it.", "python -m orchestrator report {section}")


def invalid_result(evidence: Evidence, verdict: str | None) -> str:
    """What to say of a training whose section calls its own result invalid; empty for any other."""
    if verdict != Verdict.INVALID:
        return ""
    reasons = () if evidence.manifest is None else evidence.manifest.outcome.verdict_reasons
    return "; ".join(("the training reached its target, but its result is invalid", *reasons[:1]))


def refusal(reason: str, quote: Quote) -> Found:
    """The verdict of a reason for which something was not started."""
    found = first_sign(reason, REFUSALS)
    if found is not None:
        return Found(verdict=found[0].verdict, quotes=(quote,))
    first = next(iter(reason.splitlines()), "")
    return Found(verdict=V.REFUSED, quotes=(quote,), detail=named(V.REFUSED, first) if first else "")


def printed(evidence: Evidence) -> Found | None:
    """The last line of the log that is an error, if no progress report shows that the training went on after it."""
    of_child: Found | None = None
    for line in reversed(evidence.outputs.after_progress()):
        is_error = looks_like_error(line.text)
        signs: Sequence[Sign] = EXCEPTIONS if is_error else BARE
        found, quote = first_sign(line.text, signs), evidence.outputs.of_log(line)
        if found is not None:
            return Found(verdict=found[0].verdict, quotes=(quote,), detail=found[1])
        if is_error:
            own = Found(verdict=V.SECTION_ERROR, quotes=(quote,), detail=named(V.SECTION_ERROR, line.text))
            if not is_of_child(line.text):
                return own
            of_child = of_child or own
    return of_child


def named(verdict: V, reason: str) -> str:
    """What a verdict means, with the reason in its own words."""
    return f"{MEANINGS[verdict]}: {reason}"


def last_line(evidence: Evidence) -> tuple[Quote, ...]:
    """The last line of the log, if there is a log."""
    return tuple(evidence.outputs.of_log(line) for line in evidence.outputs.log[-1:])
