"""The finished trials of a campaign, each with the sessions that made it and the evaluating one's account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.reporting.learning_curve import stitch
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import without_named
from orchestrator.core.session.spec import question_of
from orchestrator.kernel.reporting.trial_report import StitchedCurve
from orchestrator.ports import Ledger, ResultsStore


def finished_trials(
    ledger: Ledger, results: ResultsStore, standings: Sequence[TrialStatus], code_digest: str
) -> Iterator[Finished]:
    """Every trial that is done under today's code, in the campaign's order.

    Args:
        standings: Of all trials.

    Raises:
        RunFailed: The outputs of one are gone or damaged: a table that silently lacks a line would be wrong.
    """
    for standing in standings:
        if standing.state is not State.DONE:
            continue
        sessions = ledger.sessions(standing.trial.lineage_id)
        record = _evaluation(sessions, standing.run, standing.trial, code_digest)
        folder = Path(record.results_dir) if record and record.results_dir else None
        manifest, found = results.manifest(folder) if folder else (None, ())
        faults = without_named(found, record.lacking) if record else found
        if record is None or folder is None or manifest is None or faults:
            raise RunFailed(
                f"the outputs of {standing.trial.label} are not whole: {'; '.join(faults) or 'no manifest'}",
                remedy="`fetch` brings them again; or take the trial out of the campaign.",
            )
        made = since_beginning(sessions, record)
        yield Finished(
            standing=standing,
            sessions=made,
            manifest=manifest,
            manifest_sha256=results.manifest_sha256(folder),
            curve=curve_of(results, made),
        )


def curve_of(results: ResultsStore, sessions: Sequence[SessionRecord]) -> StitchedCurve:
    """One learning curve from sessions that made one training, oldest first.

    Raises:
        RunFailed: A session's event file is damaged or of another session.
    """
    told = (results.stretch(record) for record in sessions)
    return stitch([stretch for stretch in told if stretch is not None])


def since_beginning(sessions: Sequence[SessionRecord], last: SessionRecord) -> tuple[SessionRecord, ...]:
    """Sessions of a lineage from its latest beginning to `last`, oldest first: each resume among them counts.

    A beginning is a session that started from 0 although there was something in place before: the user began anew. One
    that started from 0 because those before it had lost everything goes on with the same training.
    """
    made: list[SessionRecord] = []
    for record in reversed([one for one in sessions[: sessions.index(last) + 1] if one.steps_begun is not None]):
        if made and made[0].steps_begun == 0 and record.models_steps:
            break
        made.insert(0, record)
    return tuple(made)


def _evaluation(
    sessions: Sequence[SessionRecord], run: RunRecord | None, trial: Trial, code_digest: str
) -> SessionRecord | None:
    """The session whose verdict is that of the trial's run: its own last one, or an earlier one that it found valid."""
    found = None
    for record in reversed(sessions):
        finished = record.end_reason == EndReason.FINISHED and record.verdict is not None
        if not finished or run is None or record.ticket["bundle_digest"] != code_digest:
            continue
        spec = record.ticket["spec"]
        asked = question_of(spec["criteria"], spec["evaluation_scenarios"])
        if record.steps_done != run.steps_done or asked != trial.question:
            continue
        if record.run_id == run.run_id:
            return record
        found = found or record
    return found
