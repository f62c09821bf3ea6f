"""Corner cases of a search: refused values, repeated proposals, other objectives, and its part in a plan."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.campaign.trial_status import State, trial_status
from orchestrator.core.errors import BadInput
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.reporting.forecast_report import CampaignForecast
from orchestrator.core.search.proposals import Outcome, TrainingResult, mean_rungs, outcome_of, rungs_of
from orchestrator.kernel.reporting.evaluation import read_evaluation
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket, report_line
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.search.proposer import OptunaProposer
from orchestrator.stores.campaign.campaign_yaml import parse_campaign
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.session.results import ResultsTree
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import CARDS, expanded
from tests.simulation.computer import Computer, MemoryResults, carried_through
from tests.simulation.world import World

HEAD = """
campaign: small
concurrency: 2
retries: {stuck: 9}
assume: {steps_per_s: 10.0}
trials:
  look:
    section: section_7_6
    settings: {algorithm: PPO, profiles.full.target_steps: 200000, profiles.full.deadline_s: 32400.0}
"""
LATER = "  later:\n    section: section_7_6\n    settings: {profiles.full.target_steps: 100000}\n    after: [look]\n"


def forecast_of(text: str) -> CampaignForecast:
    """Forecast of a campaign that has not started."""
    campaign = parse_campaign(text, "small.yaml")
    replay = SearchReplay(campaign, CARDS, SqliteLedger(Path(":memory:")), MemoryResults(), OptunaProposer)
    statuses = [trial_status(trial, (), live=False, code_digest="", retries={}) for trial in replay.trials()]
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    return forecast_campaign(campaign, statuses, now=monday, allowed=None)


def computer_with_search(block: str) -> Computer:
    world = World(clock=FakeClock(), weekly_s=None, score=lambda ticket, steps: float(ticket.spec["lineage"]["seed"]))
    return Computer(world, *expanded(HEAD + f"    search: {block}\n"))


def test_a_plan_counts_future_proposals_and_the_group_that_waits_for_them() -> None:
    space = "{algorithms.PPO.gamma: {low: 0.9, high: 0.99}}"
    forecast = forecast_of(HEAD + f"    seeds: 2\n    search: {{space: {space}, trials: 7, batch: 2}}\n" + LATER)
    (search,) = forecast.to_json()["searches"]
    assert (search["made"], search["to_come"], search["sessions_to_come"]) == (2, 5, 10)
    assert forecast.ahead.sessions == 7 * 2 + 1 and forecast.ahead.unfinished == ()
    # In two slots: three batches of 2 x 2 trainings, one of 1 x 2, then the group that waits for the search.
    training_h, later_h = (200_000 / 10 + 300) / 3600, (100_000 / 10 + 300) / 3600
    assert forecast.ahead.makespan_s / 3600 == pytest.approx(7 * training_h + later_h)
    assert "Search look (tpe): 2 of 7 proposed; 5 to come, 10 sessions" in "\n".join(forecast.lines())


def test_a_grid_is_proposed_completely_at_once() -> None:
    (search,) = forecast_of(HEAD + "    search: {space: {algorithms.PPO.gamma: [0.9, 0.95]}, sampler: grid}\n").searches
    assert (search.made, search.to_come, search.work) == (2, 0, ())


def test_a_value_that_the_card_refuses_counts_as_failed_and_is_reported() -> None:
    block = "{space: {environment.decision_s: [5.0, 5.3, 10.0]}, sampler: grid}"
    (search,) = forecast_of(HEAD + f"    search: {block}\n").searches
    assert search.made == 2 and "decision_s must be a multiple of dt_s" in search.refused[0]
    assert any("is refused" in line for line in search.lines())
    ticked, _ = carried_through(computer_with_search(block))
    assert ticked.complete and [one.state for one in ticked.statuses] == [State.DONE] * 2


@pytest.mark.parametrize("key", ["environment.decison_s", "environment.decision_s"])
def test_a_space_without_any_value_the_card_accepts_is_bad_input(key: str) -> None:
    with pytest.raises(BadInput) as caught:
        computer_with_search(f"{{space: {{{key}: [5.3, 5.7]}}, sampler: grid}}")
    assert key in str(caught.value) and "Fix the space" in caught.value.remedy


def test_a_pruner_that_could_never_prune_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        computer_with_search(
            "{space: {algorithms.PPO.gamma: [0.9]}, trials: 2, batch: 2, pruner: {kind: median, every_steps: 200000}}"
        )
    assert "for the first time after 200000 steps, and a training ends after 200000" in str(caught.value)


def test_a_repeated_proposal_is_one_training_and_the_search_still_ends() -> None:
    computer = computer_with_search(
        "{space: {algorithms.PPO.gamma: [0.9, 0.95]}, trials: 6, batch: 2, startup_trials: 2}"
    )
    ticked, _ = carried_through(computer)
    assert ticked.complete and len(ticked.statuses) == 2 == len(computer.world.kernels)
    (search,) = forecast_campaign(
        computer.context.campaign,
        ticked.statuses,
        now=datetime(2026, 11, 23, tzinfo=UTC),
        allowed=None,
    ).searches
    assert (search.made, search.repeated, search.to_come) == (2, 4, 0)
    assert "4 proposed twice" in search.lines()[0]


GAMMAS = "[0.9, 0.93, 0.95, 0.96, 0.97, 0.98]"
NAMED = "  named:\n    section: section_7_6\n    settings: {algorithm: PPO, profiles.full.target_steps: 200000}\n"


def test_a_proposal_that_duplicates_another_group_stops_only_its_own_search() -> None:
    space = f"    search: {{space: {{algorithms.PPO.gamma: {GAMMAS}}}, trials: 12, batch: 2, startup_trials: 12}}\n"
    world = World(clock=FakeClock(), weekly_s=None, slots=3, score=lambda ticket, steps: 1.0)
    text = HEAD + space + NAMED + "    matrix: {algorithms.PPO.gamma: [%s]}\n"
    ticked, _ = carried_through(Computer(world, *expanded(text % 0.98)))  # a proposal of the second batch
    assert [one.state for one in ticked.statuses] == [State.DONE] * len(world.kernels) and world.submits > 2
    assert not ticked.complete and "gamma=0.98 seed 0 is the same training as named gamma=0.98" in ticked.troubles[0]
    untouched = World(clock=FakeClock())
    with pytest.raises(BadInput) as caught:  # a proposal of the first batch: refused before any push
        Computer(untouched, *expanded(text % 0.95))
    assert "is the same training as named gamma=0.95" in str(caught.value)


def test_another_objective_is_read_from_the_summary_of_the_evaluating_session() -> None:
    block = "{space: {algorithms.PPO.gamma: [0.9, 0.95, 0.8]}, sampler: grid, objective: delay.rl, direction: minimize}"
    computer = computer_with_search(block)
    manifest_of = computer.world._manifest

    def with_summary(ticket: Ticket, *arguments: Any) -> Manifest:
        manifest = manifest_of(ticket, *arguments)
        summary = {"delay": {"rl": ticket.spec["lineage"]["hyper_parameters"]["gamma"]}}
        return replace(manifest, outcome=replace(manifest.outcome, summary=summary))

    computer.world._manifest = with_summary  # type: ignore[method-assign]  # replaced for this test
    ticked, _ = carried_through(computer)
    values = {one.trial.variant.label: one.trial.variant.searched for one in ticked.statuses}
    assert {label: found and found.value for label, found in values.items()} == {
        f"look gamma={gamma}": gamma for gamma in (0.9, 0.95, 0.8)
    }
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    (search,) = forecast_campaign(computer.context.campaign, ticked.statuses, now=monday, allowed=None).searches
    assert (search.best, search.objective) == ("look gamma=0.8", 0.8)


OTHER = "  other:\n    section: section_7_6\n    settings: {algorithm: A2C, profiles.full.target_steps: 300000}\n"
BY_DELAY = (
    "    search: {space: {algorithms.PPO.gamma: [0.9, 0.95]}, trials: 4, batch: 2, seed: 1,"
    " objective: %s, direction: minimize}\n"
)


def by_delay(word: str) -> Computer:
    """A search whose objective is a number of the summary, a group that waits for it, and an independent group."""
    computer = Computer(
        World(clock=FakeClock(), weekly_s=None, slots=3), *expanded(HEAD + BY_DELAY % word + LATER + OTHER)
    )
    manifest_of = computer.world._manifest

    def with_summary(ticket: Ticket, *arguments: Any) -> Manifest:
        manifest = manifest_of(ticket, *arguments)
        return replace(manifest, outcome=replace(manifest.outcome, summary={"delay": {"rl": 3, "word": "x"}}))

    computer.world._manifest = with_summary  # type: ignore[method-assign]  # replaced for this test
    return computer


def test_an_objective_that_the_section_does_not_report_stops_only_its_own_group() -> None:
    computer = by_delay("delay.lr")
    ticked, _ = carried_through(computer)
    assert not computer.ledger.open_sessions()
    states = {one.trial.variant.group: one.state for one in ticked.statuses}
    assert states == {"look": State.DONE, "later": State.CUT_OFF, "other": State.DONE}
    assert not ticked.complete and len(ticked.troubles) == 2
    assert "reports no number 'delay.lr'" in ticked.troubles[0] and "did you mean delay.rl?" in ticked.troubles[0]
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    (search,) = forecast_campaign(computer.context.campaign, ticked.statuses, now=monday, allowed=None).searches
    assert search.to_come == 2 and "reports no number 'delay.lr'" in search.lines()[1]


def test_the_objective_value_survives_the_loss_of_the_results_folder() -> None:
    computer = by_delay("delay.rl")
    before, _ = carried_through(computer)
    computer.results.brought.clear()
    after = computer.tick()
    assert after is not None and before.complete and after.statuses == before.statuses and after.troubles == ()
    # Each variant of a search has it.
    assert before.statuses[0].trial.variant.searched.value == 3.0  # type: ignore[union-attr]
    assert computer.ledger.rebuild()


def test_numbers_missing_in_an_older_ledger_are_read_from_the_results_once_present() -> None:
    computer = by_delay("delay.rl")
    carried_through(computer)
    sessions, results = computer.ledger.sessions, dict(computer.results.brought)
    # Replaced for this test.
    computer.ledger.sessions = lambda *asked: [replace(one, numbers=None) for one in sessions(*asked)]  # type: ignore[method-assign]
    computer.results.brought.clear()
    ticked = computer.tick()
    assert ticked is not None and not ticked.complete and "its outputs are missing" in ticked.troubles[0]
    computer.results.brought.update(results)
    ticked = computer.tick(new_program=False)  # the ledger has no new event
    assert ticked is not None and ticked.complete and ticked.troubles == ()


def test_a_rung_takes_the_first_evaluation_at_or_after_it() -> None:
    curve = [(90, -5.0), (110, -3.0), (190, -4.0), (320, -1.0)]
    assert rungs_of(curve, 100, 9) == (-3.0, -1.0, -1.0)
    assert rungs_of(curve, 100, 1) == (-3.0,)
    assert rungs_of([], 100, 9) == ()


def test_rungs_and_objective_are_the_mean_of_the_required_number_of_seeds() -> None:
    fast = TrainingResult(outcome=Outcome.COMPLETE, number=3.0, curve=[(100, 1.0), (200, 3.0)])
    slow = TrainingResult(outcome=Outcome.OPEN, curve=[(100, 2.0)])
    lost = TrainingResult(outcome=Outcome.FAILED, why="stuck")
    assert mean_rungs([fast, slow], 2, 100, 5) == (1.5,) and mean_rungs([lost, slow, fast], 2, 100, 5) == (1.5,)
    assert outcome_of([fast, slow], 2) == (Outcome.OPEN, None)
    assert outcome_of([fast, lost, fast], 2) == (Outcome.COMPLETE, 3.0)  # a spare replaced the failed seed
    assert outcome_of([fast, lost], 2) == outcome_of(
        [fast, TrainingResult(outcome=Outcome.FAILED, why="invalid"), slow], 2
    )
    assert outcome_of([fast, lost], 2) == (Outcome.FAILED, None)


def test_evaluations_are_read_only_from_evaluated_events(tmp_path: Path) -> None:
    line = report_line("evaluated", steps=20, score=-1.5, best_steps=20, measures={})
    assert read_evaluation(f"12.3s 0 {line}") == (20, -1.5)
    for other in ("", "[ORC] {", "{}", "[]", "3", report_line("progress", steps=20), '{"kind": "evaluated", "st'):
        assert read_evaluation(other) is None
    results = ResultsTree(tmp_path)
    assert results.evaluations(tmp_path) == ()
    events = '{"at": "x", "kind": "evaluated", "steps": 10, "score": -2.0}\n{"kind": "said", "text": "[ORC] {}"}\n{"ki'
    (tmp_path / "events.jsonl").write_text(events, encoding="utf-8")
    assert results.evaluations(tmp_path) == ((10, -2.0),)
    assert math.isfinite(results.evaluations(tmp_path)[0][1])
