"""The job summary says why each trial has its verdict, in the first sentence that its session wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.kernel.wire import MANIFEST_NAME
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.wiring.verdict_sentences import verdict_sentences
from tests.doubles.trained_project import Made, TrainedProject, campaign_yaml


@pytest.fixture
def trained(tmp_path: Path) -> TrainedProject:
    return TrainedProject(tmp_path / "project", campaign_yaml(seeds=3))


def statuses(trained: TrainedProject, state: State = State.DONE) -> list[TrialStatus]:
    found = []
    with ledger_for_reading(trained.project.own / "ledger.sqlite") as ledger:
        for trial in trained.trials:
            runs = ledger.runs(trial.lineage_id)
            run = runs[-1] if runs else None
            found.append(TrialStatus(trial=trial, state=state, verdict=run.verdict if run else None, run=run))
    return found


def test_each_finished_trial_has_the_first_reason_of_its_last_session(trained: TrainedProject) -> None:
    reasons = ("33.90 % less, and\n4.84 % more delay than the tuned actuated controller.", "Required: 10 %.")
    first, second, _ = trained.trials
    trained.train(
        first, Made(end=20, reason="paused"), Made(start=20, end=40, verdict="not_supported", reasons=reasons)
    )
    trained.train(second, Made(end=40, reasons=()))
    (sentence,) = verdict_sentences(trained.project, statuses(trained))
    said = "33.90 % less, and 4.84 % more delay than the tuned actuated controller."
    assert sentence == f"{first.label}: not supported. {said}"
    assert verdict_sentences(trained.project, statuses(trained, State.LIVE)) == ()


def test_a_damaged_manifest_is_named_and_hides_no_other_trial(trained: TrainedProject) -> None:
    first, second, _ = trained.trials
    trained.train(first, Made(end=40))
    trained.train(second, Made(end=40))
    with ledger_for_reading(trained.project.own / "ledger.sqlite") as ledger:
        (session,) = ledger.sessions(first.lineage_id)
    assert session.results_dir is not None
    (Path(session.results_dir) / MANIFEST_NAME).write_text("{", encoding="utf-8")
    damaged, sound = verdict_sentences(trained.project, statuses(trained))
    assert damaged.startswith(f"{first.label}: the reason for its verdict cannot be read: ")
    assert sound.startswith(f"{second.label}: supported. ")
