"""Finds what a word names: a run, a session, a training or a section, in the ledger or in the results folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord, SessionRecord

_SHORTEST_PREFIX = 4
_SHOWN = 5
_SESSION_IN_NAME = re.compile(r"arz-validation-.+-[0-9a-f]{8}-s\d{2,}(?:-a\d+)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A session that can be examined; or a run that has none yet.

    Attributes:
        folder: Name of its results folder, empty if unknown.
        at: When it was planned or began, ISO; empty if unknown.
        label: Label of the trial that it trains, empty if unknown.
        run: Of the ledger, None if the ledger lacks it.
        session: Of the ledger, None likewise.
    """

    section: str
    lineage_id: str
    run_id: str
    slug: str = ""
    folder: str = ""
    at: str = ""
    label: str = ""
    run: RunRecord | None = None
    session: SessionRecord | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of this one session."""
        record = self.session
        of_record = () if record is None else (record.key, *([record.handle] if record.handle else []))
        return (self.slug, self.folder, *of_record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined.

    Attributes:
        whole: Whether a run or training is meant, and not one session.
    """

    candidate: Candidate
    whole: bool


def recorded(runs: Iterable[RunRecord], sessions: Iterable[SessionRecord]) -> Iterator[Candidate]:
    """The candidates of a ledger, oldest first."""
    of_run: dict[str, list[SessionRecord]] = {}
    for one in sessions:
        of_run.setdefault(one.run_id, []).append(one)
    for run in runs:
        for record in of_run.get(run.run_id, [None]):
            yield Candidate(
                section=run.section,
                lineage_id=run.lineage_id,
                run_id=run.run_id,
                slug=record.slug if record else "",
                folder=_last_part(record.results_dir or "") if record else "",
                at=record.planned_at if record else run.started_at,
                run=run,
                session=record,
            )


def find_subject(
    word: str | None, candidates: Sequence[Candidate], trials: Callable[[], Sequence[Candidate]] = tuple
) -> Subject:
    """The newest candidate that a word names.

    Args:
        word: A section, a session (name, handle, key in the ledger, results folder), a run or the beginning of its id,
            the beginning of a lineage id, or the label of a trial; None for the newest run.
        candidates: In any order.
        trials: Gives the trials of all campaigns, also those that never ran; called only if nothing else matches.

    Raises:
        BadInput: There is none, or the word names several trainings.
    """
    ordered = sorted(candidates, key=lambda one: one.at)
    if word is None and ordered:
        return Subject(candidate=ordered[-1], whole=True)
    name = word or ""
    if "://" not in name and not any(name in one.names for one in ordered):
        name = _last_part(name)
    for matches, whole in _matches(name) if name else ():
        if found := [one for one in ordered if matches(one)]:
            return Subject(candidate=_of_one_training(name, found, whole=whole), whole=whole)
    for trial in trials() if name else ():
        if trial.label == word or (len(name) >= _SHORTEST_PREFIX and trial.lineage_id.startswith(name)):
            own = [one for one in ordered if one.lineage_id == trial.lineage_id]
            return Subject(candidate=own[-1] if own else trial, whole=True)
    if not ordered:
        raise BadInput("no run and no session is here", remedy="Start one: python -m orchestrator run SECTION --quick")
    raise BadInput(f"nothing here is named {word!r}", remedy=_known(ordered))


def _matches(name: str) -> Iterator[tuple[Callable[[Candidate], bool], bool]]:
    yield lambda one: one.section == name, True
    yield lambda one: name in one.names, False
    yield lambda one: one.session is not None and one.session.kernel is not None and name == one.session.kernel, False
    yield lambda one: one.run_id == name, True
    if len(name) >= _SHORTEST_PREFIX:
        yield lambda one: one.run_id.startswith(name), True
        yield lambda one: one.lineage_id.startswith(name), True


def _of_one_training(word: str, found: Sequence[Candidate], *, whole: bool) -> Candidate:
    """The newest; a section has many trainings, any other word must mean one."""
    lineages = dict.fromkeys(one.lineage_id for one in found)
    if len(lineages) > 1 and found[-1].section != word:
        names = dict.fromkeys(one.run_id if whole else one.folder or one.slug for one in found)
        shown = ", ".join(list(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise BadInput(f"{word!r} names {len(names)} of several trainings", remedy=f"Give one of them: {shown}")
    return found[-1]


def _known(candidates: Sequence[Candidate]) -> str:
    runs = list(dict.fromkeys(one.run_id for one in reversed(candidates) if one.run_id))
    return f"Give a section, a trial's label, a session or a run. The latest runs: {', '.join(runs[:_SHOWN])}"


def _last_part(path: str) -> str:
    """The last part of a path of any system, and the word itself if it is none."""
    plain = path.rstrip("/\\")
    kind = PureWindowsPath if "\\" in plain else PurePosixPath
    return kind(plain).name or plain


def slug_in(folder: str) -> str:
    """The session's name at the end of the name of a results folder; empty if there is none."""
    found = _SESSION_IN_NAME.search(folder)
    return found[0] if found else ""
