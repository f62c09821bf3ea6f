"""The finished trials of a campaign, each with its sessions and the manifest of the session that evaluated it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.reporting.learning_curve import stitch
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.settling import without_named
from orchestrator.core.session.spec import question_of
from orchestrator.kernel.checkpoint.adopted import adopted_line_in
from orchestrator.kernel.reporting.trial_report import StitchedCurve
from orchestrator.ports import Ledger, ResultsStore


def finished_trials(
    ledger: Ledger,
    results: ResultsStore,
    statuses: Sequence[TrialStatus],
    code_digest: Callable[[SectionCard], str],
) -> Iterator[Finished]:
    """Every trial that is done with the current code, in the campaign's order.

    Args:
        statuses: Of all trials.
        code_digest: Trial's card -> digest of the current code of its section.

    Raises:
        RunFailed: Outputs of a finished trial are missing or damaged: a table that lacks its rows would be wrong.
    """
    for status in statuses:
        if status.state is not State.DONE:
            continue
        sessions = ledger.sessions(status.trial.lineage_id)
        record = _evaluation(sessions, status.run, status.trial, code_digest(status.trial.card))
        folder = Path(record.results_dir) if record and record.results_dir else None
        manifest, found = results.manifest(folder) if folder else (None, ())
        faults = without_named(found, record.lacking) if record else found
        if record is None or folder is None or manifest is None or faults:
            raise RunFailed(
                f"the outputs of {status.trial.label} are not complete: {'; '.join(faults) or 'no manifest'}",
                remedy="Delete a damaged results folder, then `campaign tick FILE --recover-missing` fetches it again; "
                "or remove the trial from the campaign.",
            )
        own = since_beginning(sessions, record)
        yield Finished(
            standing=status,
            sessions=own,
            manifest=manifest,
            manifest_sha256=results.manifest_sha256(folder),
            curve=curve_of(results, own),
        )


def curve_of(results: ResultsStore, sessions: Sequence[SessionRecord]) -> StitchedCurve:
    """The learning curve of one training.

    Args:
        sessions: Its sessions, oldest first.

    Raises:
        RunFailed: A session's event file is damaged, or belongs to another session.
    """
    curves = (results.stretch(record) for record in sessions)
    return stitch([curve for curve in curves if curve is not None])


def since_beginning(sessions: Sequence[SessionRecord], last: SessionRecord) -> tuple[SessionRecord, ...]:
    """Sessions of a lineage from its latest start, from step 0 or from an adopted model, to `last`, oldest first.

    Such a start is a session that began there although another checkpoint was in place before, or although the training
    was finished: the user started over.
    A session that began there because the earlier ones had left no checkpoint continues the same training.
    """
    found: list[SessionRecord] = []
    for record in reversed([one for one in sessions[: sessions.index(last) + 1] if one.steps_begun is not None]):
        begun = found[0].steps_begun if found else None
        starts = begun == 0 or bool(found and adopted_line_in(found[0].resume_reasons))
        if starts and (record.evaluated or (record.models_steps or begun) != begun):
            break
        found.insert(0, record)
    return tuple(found)


def _evaluation(
    sessions: Sequence[SessionRecord], run: RunRecord | None, trial: Trial, code_digest: str
) -> SessionRecord | None:
    """The session with the result of the trial's run: the run's own last one, or an earlier one that still applies."""
    found = None
    for record in reversed(sessions):
        if not record.evaluated or run is None or record.ticket["bundle_digest"] != code_digest:
            continue
        spec = record.ticket["spec"]
        question = question_of(spec["criteria"] or {}, spec.get("evaluation_scenarios"))
        if (record.steps_done or 0) != run.steps_done or question != trial.question:
            continue
        if record.run_id == run.run_id:
            return record
        found = found or record
    return found
