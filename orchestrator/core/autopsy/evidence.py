"""The evidence of an autopsy, as it was gathered: plain values, parts of which may be missing or damaged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.autopsy.verdicts import Quote
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.session.backend_types import Observation
from orchestrator.kernel.reading.json_text import without_controls
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME, NO_MANIFEST, parse_report

LOG_NAME = "kernel.log"
SHOWN_CHARS = 240
UNREAD_CHARS = 800
"""Longer than other texts: a path, the damaged value and the remedy."""
_NO_MANIFEST = re.compile(re.escape(NO_MANIFEST).replace(r"\{code\}", r"(\d{1,10})"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a log.

    Attributes:
        number: From 1 on; None if the beginning of the file was not read.
    """

    number: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a session wrote, as far as it can be read.

    Attributes:
        folder: The folder, for people.
        manifest_fault: Why the manifest cannot be used; empty if it can, or if there is none.
        events: Line number and event, oldest first; the beginning may be missing.
        log: The last lines of the log.
        log_place: The log, for people, if it is not in the folder.
        exit_code: Of its process by the pack's record, None without one.
    """

    folder: str = ""
    manifest: Manifest | None = None
    manifest_fault: str = ""
    events: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    log: tuple[Line, ...] = ()
    log_place: str = ""
    exit_code: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing could be read."""
        return self.manifest is None and not (self.manifest_fault or self.events or self.log)

    def of_manifest(self, field: str, text: str) -> Quote:
        """A quote from the manifest."""
        return Quote(source=f"{self._place(MANIFEST_NAME)}, {field}", text=text)

    def of_event(self, number: int, text: str) -> Quote:
        """A quote from the event file."""
        return Quote(source=f"{self._place(EVENTS_NAME)}, line {number}", text=text)

    def of_log(self, line: Line) -> Quote:
        """A quote from the log."""
        where = "near its end" if line.number is None else f"line {line.number}"
        return Quote(source=f"{self.log_place or self._place(LOG_NAME)}, {where}", text=line.text)

    def _place(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def after_progress(self) -> tuple[Line, ...]:
        """The lines of the log after its last progress report: the training survived what it printed before."""
        last = 0
        for place, line in enumerate(self.log, 1):
            report = parse_report(line.text)
            if report is not None and report.get("kind") == "progress":
                last = place
        return self.log[last:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was gathered about one training, run or session.

    Attributes:
        subject: What is examined, for people.
        name: What `why` is called with to examine it again.
        section: Name of the section, empty if unknown.
        again: The command that continues the training.
        by_hand: The same where its campaign starts no further run of this code; empty if it does.
        run: Its run; None without a ledger.
        session: The session that decides; None if there is none, or without a ledger.
        seen: The state by the backend now, None if it was not asked.
        whole: Whether a run or training is examined, and not one session: then its own end comes first.
        refusal: Why the last tick of its campaign refused to start it; empty if it did not.
        waits: Why a waiting trial does not start now; empty if unknown.
        rule: Rule of the campaign that ended it; empty without one.
        stale: Whether it finished with other code, criteria or scenarios than the present ones.
        unread: What could not be read, a sentence each.
    """

    subject: str
    name: str
    section: str = ""
    again: str = ""
    by_hand: str = ""
    run: RunRecord | None = None
    session: SessionRecord | None = None
    outputs: Outputs = Outputs()
    seen: Observation | None = None
    whole: bool = False
    refusal: str = ""
    waits: str = ""
    rule: str = ""
    stale: bool = False
    unread: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest | None:
        """The session's own manifest; one with another nonce says nothing about this session."""
        manifest = self.outputs.manifest
        if manifest is None or self.session is None:
            return manifest
        return manifest if manifest.stamp.get("nonce") == self.session.nonce else None

    def of_ledger(self, field: str, text: object) -> Quote:
        """A quote from the ledger's row of the session, or of the run."""
        record = f"session {self.session.key}" if self.session is not None else "run"
        return Quote(source=f"ledger, {record}, {field}", text=str(text))

    def of_run(self, field: str, text: object) -> Quote:
        """A quote from the ledger's row of the run."""
        run_id = self.run.run_id if self.run is not None else ""
        return Quote(source=f"ledger, run {run_id}, {field}", text=str(text))

    def native(self) -> Iterator[Quote]:
        """The backend's own words for its state, the latest first."""
        if self.seen is not None:
            yield Quote(source="backend, state now", text=self.seen.native)
        if self.session is not None and self.session.native:
            yield self.of_ledger("native", self.session.native)

    def exit_codes(self) -> Iterator[tuple[int, Quote]]:
        """Exit codes of the session's process, each with its source."""
        record = self.session
        if self.seen is not None and self.seen.exit_code is not None:
            yield self.seen.exit_code, Quote(source="backend, exit code", text=str(self.seen.exit_code))
        for field in ("observed_exit_code", "exit_code"):
            code = getattr(record, field, None)
            if code is not None:
                yield code, self.of_ledger(field, code)
        if self.outputs.exit_code is not None:
            yield self.outputs.exit_code, Quote(source="pack.json, exit_code", text=str(self.outputs.exit_code))
        elif record is not None and record.kernel is not None and self.manifest is None:
            for line in self.outputs.log[-1:]:  # the runtime of the pack writes it after the session's last line
                if (ended := _NO_MANIFEST.fullmatch(line.text)) is not None:
                    yield int(ended[1]), self.outputs.of_log(line)


def shown(text: str, mask: Callable[[str], str] = str, most_chars: int = SHOWN_CHARS) -> str:
    """A text as one short printable line.

    Terminal sequences are removed before secrets are masked, and the line is cut afterwards, so that neither hides a
    part of a secret.

    Args:
        mask: Replaces secrets.
    """
    plain = without_controls(text)
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())
    masked = mask(plain)
    return masked if len(masked) <= most_chars else f"{masked[: most_chars - 3]}..."
