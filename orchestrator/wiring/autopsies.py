"""Gathers the evidence of an autopsy: ledger, results folders, local sandboxes, campaigns; the backend if asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends.local.members import DAMAGED_END
from orchestrator.backends.local.sandbox import Sandbox
from orchestrator.core.autopsy.evidence import Evidence, Outputs
from orchestrator.core.autopsy.naming import again, described, name_of
from orchestrator.core.autopsy.rules import autopsy
from orchestrator.core.autopsy.subject import Candidate, Subject, find_subject, recorded
from orchestrator.core.autopsy.verdicts import Autopsy, AutopsyVerdict
from orchestrator.core.cache import Cache
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle, Observation
from orchestrator.ports import Ledger
from orchestrator.stores.ledger.errors import not_read
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.secrets.rules import masking
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.results import fetched_folder, is_folder
from orchestrator.stores.session.written_outputs import log_tail, read_outputs, written_sessions
from orchestrator.wiring import LOCAL, make_backend
from orchestrator.wiring.trial_evidence import TrialEvidence, evidence_of, known_trials, trial_evidence

_examined: Cache[Autopsy] = Cache(most=400)
"""Autopsies by run and session, each with its evidence: a served page asks for the same ones again and again."""
_UNREADABLE = (OrchestratorError, sqlite3.Error, OSError, ValueError, KeyError, TypeError)
"""What damaged files or an absent backend can raise; an autopsy says so and goes on with what is left."""


@contextmanager
def autopsies(project: Project, *, ask: bool = False) -> Iterator[Autopsies]:
    """Autopsies of a project. Nothing is written; a damaged ledger is left out.

    Args:
        ask: Whether to look once at the session on its backend; sessions on this computer are always looked at.
    """
    with ExitStack() as held:
        ledger, unread = None, []
        try:
            ledger = held.enter_context(ledger_for_reading(project.own / "ledger.sqlite"))
        except _UNREADABLE as fault:
            unread.append(not_read(fault))
        yield Autopsies(project, ledger, ask=ask, unread=tuple(unread))


@dataclass(slots=True)
class _Gathered:
    """What was read from one session."""

    outputs: Outputs
    seen: Observation | None = None
    unread: tuple[str, ...] = ()


class Autopsies:
    """Examines runs, sessions and trials of a project.

    Args:
        ledger: None if it cannot be read.
        unread: What could not be read so far, a sentence each.
    """

    def __init__(
        self, project: Project, ledger: Ledger | None, *, ask: bool = False, unread: tuple[str, ...] = ()
    ) -> None:
        self._project = project
        self._ledger = ledger
        self._ask = ask
        self._unread = unread
        self._mask = masking()
        self._read: list[Candidate] | None = None

    def of(self, word: str | None) -> Autopsy:
        """The autopsy of what a word names; see `find_subject`.

        Raises:
            BadInput: It names nothing, or several trainings.
        """
        trials: list[Candidate] = []

        def of_campaigns() -> list[Candidate]:
            trials.extend(known_trials(self._project))
            return trials

        subject = find_subject(word, self._candidates(), of_campaigns)
        candidate = subject.candidate
        of_trial = None
        if trials or (candidate.run is not None and candidate.run.campaign):
            of_trial = trial_evidence(self._project, candidate.lineage_id)
        if of_trial is not None and not subject.whole:
            of_trial = TrialEvidence(label="", file=of_trial.file, by_hand=of_trial.by_hand)
        return self._examine(subject, of_trial)

    def of_run(self, run_id: str) -> Autopsy:
        """The autopsy of a run.

        Raises:
            BadInput: The ledger does not know it.
        """
        return self._examine(find_subject(run_id, self._candidates()), None)

    def of_sessions(self, keys: Iterable[str]) -> dict[str, Autopsy]:
        """The autopsies of sessions, by their keys in the ledger; without those that it does not know."""
        known = {one.session.key: one for one in self._candidates() if one.session is not None}
        return {key: self._examine(Subject(candidate=known[key], whole=False), None) for key in keys if key in known}

    def of_trials(
        self, campaign: Campaign, file: str, statuses: Iterable[TrialStatus], refusals: Mapping[str, str]
    ) -> dict[str, Autopsy]:
        """The autopsy of each trial that ended badly or was refused, by lineage id.

        Args:
            file: What `campaign tick` is called with.
            refusals: Lineage id -> why the last tick refused the trial.
        """
        bad = [one for one in statuses if one.ended_badly or one.trial.lineage_id in refusals]
        candidates = self._candidates() if bad else []
        newest = {one.lineage_id: one for one in sorted(candidates, key=lambda one: one.at)}
        found: dict[str, Autopsy] = {}
        for one in bad:
            trial, lineage_id = one.trial, one.trial.lineage_id
            candidate = newest.get(lineage_id) or Candidate(
                section=trial.card.section, lineage_id=lineage_id, run_id=""
            )
            of_trial = evidence_of(one, campaign, file, refusals.get(lineage_id, ""))
            found[lineage_id] = self._examine(Subject(candidate=candidate, whole=True), of_trial)
        return found

    def _candidates(self) -> list[Candidate]:
        """Every run and session, read once."""
        if self._read is None:
            self._read = self._all_candidates()
        return self._read

    def _all_candidates(self) -> list[Candidate]:
        found: list[Candidate] = []
        if self._ledger is not None:
            try:
                found = list(recorded(self._ledger.runs(), self._ledger.sessions()))
            except _UNREADABLE as fault:
                self._unread = (*self._unread, not_read(fault))
        known = {one.folder for one in found} | {one.slug for one in found}
        return [*found, *written_sessions(self._project.results, known)]

    def _examine(self, subject: Subject, of_trial: TrialEvidence | None) -> Autopsy:
        candidate = subject.candidate
        if subject.whole and candidate.run is not None and candidate.run.ended_at and candidate.session is None:
            # The run ended before it sent a session: the reason is the last session of an earlier run.
            same = [one for one in self._candidates() if one.lineage_id == candidate.lineage_id and one.session]
            if same:
                candidate = replace(same[-1], run=candidate.run)
        result = self._of_candidate(candidate, subject.whole, of_trial)
        if result.verdict is not AutopsyVerdict.UNKNOWN or not subject.whole or candidate.session is None:
            return result
        if candidate.session.stage is not Stage.CLOSED:
            return result
        earlier = [one for one in self._candidates() if one.run_id == candidate.run_id and one != candidate]
        for one in reversed(earlier):  # the last one left nothing: one before it may have failed in the same way
            other = self._of_candidate(one, subject.whole, of_trial)
            if other.verdict is not AutopsyVerdict.UNKNOWN:
                return other
        return result

    def _of_candidate(self, candidate: Candidate, whole: bool, of_trial: TrialEvidence | None) -> Autopsy:
        gathered = self._gathered(candidate)
        card = self._card(candidate.section)
        evidence = Evidence(
            subject=described(candidate, of_trial.label if of_trial else ""),
            name=name_of(candidate, whole=whole),
            section=candidate.section,
            again=again(candidate, card, self._campaign_word(candidate, of_trial)),
            run=candidate.run,
            session=candidate.session,
            outputs=gathered.outputs,
            seen=gathered.seen,
            whole=whole,
            unread=(*self._unread, *gathered.unread),
        )
        if of_trial is not None:
            evidence = replace(
                evidence,
                by_hand=of_trial.by_hand,
                refusal=of_trial.refusal,
                waits=of_trial.waits,
                rule=of_trial.rule,
                stale=of_trial.stale,
            )
        name = (self._project.state, candidate.lineage_id, candidate.run_id, candidate.slug, whole)
        return _examined.get(name, (evidence, self._mask), lambda: autopsy(evidence, self._mask))

    def _campaign_word(self, candidate: Candidate, of_trial: TrialEvidence | None) -> str:
        """What `campaign tick` is called with for this training; empty if no campaign trains it."""
        word = of_trial.file if of_trial else (candidate.run.campaign or "") if candidate.run else ""
        is_path = word.endswith((".yaml", ".yml"))
        return word if not word or is_path or (self._project.campaigns / f"{word}.yaml").is_file() else f"{word}.yaml"

    def _card(self, section: str) -> SectionCard | None:
        try:
            return load_card(self._project.cards, section) if section else None
        except _UNREADABLE:
            return None

    def _gathered(self, candidate: Candidate) -> _Gathered:
        outputs = self._fetched(candidate)
        record = candidate.session
        if record is None or record.handle is None:
            return _Gathered(outputs)
        handle = Handle.parse(record.handle)
        unread: tuple[str, ...] = ()
        if record.backend == LOCAL and outputs.empty:
            outputs = self._in_sandbox(handle)
        seen = None
        if self._ask or (record.backend == LOCAL and record.stage is not Stage.CLOSED):
            seen, outputs, unread = self._asked(candidate, record, handle, outputs)
        return _Gathered(outputs, seen, unread)

    def _fetched(self, candidate: Candidate) -> Outputs:
        """The fetched outputs."""
        record, results = candidate.session, self._project.results
        found = results / candidate.folder if candidate.folder else None
        if found is None or not is_folder(found):
            found = None if record is None else fetched_folder(results, record)
        return Outputs() if found is None else read_outputs(found, self._shown(found))

    def _in_sandbox(self, handle: Handle) -> Outputs:
        sandbox = Sandbox(root=self._project.own / "local" / handle.slug)
        folder = sandbox.output(handle.member)
        read = read_outputs(folder, self._shown(folder), sandbox.log, handle.member)
        return replace(read, log_place=self._shown(sandbox.log))

    def _shown(self, path: Path) -> str:
        root = self._project.state
        return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()

    def _asked(
        self, candidate: Candidate, record: SessionRecord, handle: Handle, outputs: Outputs
    ) -> tuple[Observation | None, Outputs, tuple[str, ...]]:
        try:
            card = load_card(self._project.cards, candidate.section)
            backend = make_backend(record.backend, self._project, card)
            seen = backend.observe(handle)
            if not outputs.log:
                log = log_tail(line for line, _ in backend.follow(handle, 0))
                outputs = replace(outputs, log=log, log_place=f"log of {handle}")
        except _UNREADABLE as fault:
            return None, outputs, (f"{record.backend} could not be asked: {fault}",)
        return seen, outputs, (f"{record.slug}: {seen.native}",) if seen.native == DAMAGED_END else ()
