"""The autopsy: the rules in order of certainty, the first that holds decides. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.core.autopsy import ledger_rules, session_rules
from orchestrator.core.autopsy.evidence import UNREAD_CHARS, Evidence, shown
from orchestrator.core.autopsy.findings import Found, Rule, last_line
from orchestrator.core.autopsy.verdicts import ADVICE, RETRIED_BY_TICK, Autopsy, AutopsyVerdict, Quote
from orchestrator.core.run.summary import GOOD_ENDS

RULES: Sequence[Rule] = (
    ledger_rules.stopped_by_rule,
    ledger_rules.finished_with_other_code,
    ledger_rules.refused_here,
    ledger_rules.run_reached_target,
    ledger_rules.no_checkpoint_left,
    ledger_rules.waits_for_room,
    ledger_rules.still_in_flight,
    ledger_rules.asked_to_stop,
    ledger_rules.never_submitted,
    ledger_rules.stale_results,
    session_rules.kernel_ending,
    ledger_rules.gone,
    session_rules.native_state,
    session_rules.signal,
    session_rules.printed_error,
    session_rules.at_its_deadline,
    session_rules.outputs_lost,
    session_rules.failed_exit,
)
"""Structure first (what ledger, manifest, exit code and state say), the text of a log last."""

_MOST_QUOTES = 5
_UNCOLLECTED = "It has ended, and its outputs are not collected yet: the next command collects them."
_UNRECORDED = "The end of the run is not recorded yet: the next command records it."
_LONGER = "Three sessions in a row saved no new checkpoint before their deadline: raise deadline_s of the profile."


def autopsy(evidence: Evidence, mask: Callable[[str], str] = str) -> Autopsy:
    """Why it ended, with what shows it and what to do next.

    Args:
        mask: Replaces secrets in everything that is shown.
    """
    name, found = next(
        ((rule.__name__, found) for rule in RULES if (found := rule(evidence)) is not None),
        ("none", _nothing(evidence)),
    )
    quotes = tuple(dict.fromkeys((*found.quotes, *_end_of_run(evidence, found), *_damage(evidence, found))))
    advice, command = found.advice or ADVICE[found.verdict]
    if uncollected := ledger_rules.is_uncollected(evidence):
        advice = f"{_UNCOLLECTED} {advice}" if command == "{again}" else _UNCOLLECTED
        command = "{again}"
    elif found.verdict is AutopsyVerdict.TARGET_REACHED and (found.words or not found.advice) and _is_open(evidence):
        advice, command = _UNRECORDED, "{again}"
    if found.verdict is AutopsyVerdict.PAUSED and evidence.run is not None and evidence.run.end_reason == "stuck":
        advice = _LONGER
    by_hand = "" if uncollected or found.verdict in RETRIED_BY_TICK else evidence.by_hand
    again = by_hand or evidence.again or "python -m orchestrator status"
    if not evidence.section and "{section}" in command:
        command = "python -m orchestrator status"
    return Autopsy(
        subject=evidence.subject,
        verdict=found.verdict,
        rule=name,
        detail=shown(found.detail, mask),
        words=found.words,
        evidence=tuple(Quote(source=one.source, text=shown(one.text, mask)) for one in quotes[:_MOST_QUOTES]),
        advice=advice,
        command=command.format(again=again, section=evidence.section, name=evidence.name),
        why=f"python -m orchestrator why {evidence.name}",
        unread=tuple(shown(one, mask, UNREAD_CHARS) for one in evidence.unread),
    )


def _is_open(evidence: Evidence) -> bool:
    return evidence.whole and evidence.run is not None and evidence.run.end_reason is None


def _nothing(evidence: Evidence) -> Found:
    """No rule holds: show what there is."""
    record = evidence.session
    stage = () if record is None else (evidence.of_ledger("end_reason", record.end_reason or "none"),)
    codes = tuple(quote for _, quote in evidence.exit_codes())
    return Found(verdict=AutopsyVerdict.UNKNOWN, quotes=(*evidence.native(), *stage, *codes[:1], *last_line(evidence)))


def _end_of_run(evidence: Evidence, found: Found) -> tuple[Quote, ...]:
    run = evidence.run
    if not evidence.whole or run is None or run.end_reason is None or run.end_reason in GOOD_ENDS:
        return ()
    quote = evidence.of_run("end_reason", f"{run.end_reason} at {run.steps_done} steps after {run.sessions} session(s)")
    return () if any(one.source == quote.source for one in found.quotes) else (quote,)


def _damage(evidence: Evidence, found: Found) -> tuple[Quote, ...]:
    """What is wrong with the manifest: a verdict without it rests on weaker evidence."""
    outputs = evidence.outputs
    if outputs.manifest_fault:
        return (outputs.of_manifest("not used", outputs.manifest_fault),)
    if outputs.manifest is not None and evidence.manifest is None:
        return (outputs.of_manifest("not used", "another session wrote it"),)
    return ()
