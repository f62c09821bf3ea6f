"""A line is removed from a campaign's file while a session of it is in flight: its results are still collected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.campaign.presentation import tick_lines
from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.campaign.orphans import sessions_of_campaign, trial_from_ticket
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.overrides import Settings
from orchestrator.stores.campaign.campaign_yaml import load_campaign
from orchestrator.wiring.campaigns import removed_in_flight
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import CARDS, SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.on_disk import written_down
from tests.simulation.world import World

WHOLE = SMALL.replace("seeds: 2", "seeds: 1").replace("concurrency: 2", "concurrency: 2\nweekly_gpu_hours: 100")
ONE_LEFT = WHOLE.replace("[DQN, PPO]", "[DQN]")
FILES = sorted((PROJECT_ROOT / "configs" / "campaigns").glob("*.yaml"))


def _computer() -> Computer:
    computer = Computer(World(clock=FakeClock(), slots=9, weekly_s=None), *expanded(WHOLE))
    computer.tick()
    assert len(computer.ledger.open_sessions()) == 2
    return computer


def _edit(computer: Computer, text: str) -> None:
    campaign, trials = expanded(text)
    computer.context = replace(computer.context, campaign=campaign, trials=trials)


def _lineage_of(computer: Computer, algorithm: str) -> str:
    (found,) = (one.lineage_id for one in computer.context.trials if one.card.algorithm == algorithm and one.seed == 0)
    return found


def test_the_session_of_a_removed_trial_holds_a_slot_is_collected_and_not_continued() -> None:
    computer = _computer()
    computer.context = replace(computer.context, trials=computer.context.trials[:2])
    ppo = _lineage_of(computer, "PPO")
    _edit(computer, ONE_LEFT.replace("seeds: 1", "seeds: 2"))
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 1 and not report.over
    assert report.waits == "all 2 slots are in use" and len(computer.ledger.open_sessions()) == 2
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 0 and report.troubles == ()
    (message,) = (line for line in report.changes if "collected" in line)
    assert message == f"(removed) PPO seed 0 [{ppo[:8]}]: collected; no longer part of the campaign"
    (session,) = computer.ledger.sessions(ppo)
    assert session.restored and computer.models[ppo].view().steps == session.steps_done
    assert session.steps_done is not None and session.steps_done > 0
    (run,) = computer.ledger.runs(ppo)
    assert run.end_reason is None and run.target_steps == 700_000
    report, _ = carried_through(computer)
    assert report.complete and computer.world.wrongs == [] and len(computer.ledger.sessions(ppo)) == 1


def test_a_trial_put_back_into_the_file_continues_from_its_checkpoint() -> None:
    computer = _computer()
    computer.context = replace(computer.context, trials=computer.context.trials[:2])
    ppo = _lineage_of(computer, "PPO")
    _edit(computer, ONE_LEFT)
    carried_through(computer)
    steps_before = computer.models[ppo].view().steps
    _edit(computer, WHOLE)
    report, _ = carried_through(computer)
    assert report.complete and computer.world.wrongs == []
    sessions = computer.ledger.sessions(ppo)
    assert [one.session for one in sessions] == [1, 2, 3] and sessions[1].steps_start == steps_before > 0
    assert len(computer.ledger.runs(ppo)) == 1 and computer.ledger.rebuild()


def test_the_hours_of_a_removed_trial_count_in_the_weekly_budget() -> None:
    text = WHOLE.replace("weekly_gpu_hours: 100", "weekly_gpu_hours: 18")
    computer = Computer(World(clock=FakeClock(), slots=9, weekly_s=None), *expanded(text))
    computer.tick()
    _edit(computer, text.replace("[DQN, PPO]", "[QRDQN]"))
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and computer.ledger.open_sessions() == []
    session = max(one.wall_s or 0.0 for one in computer.ledger.sessions())
    assert session > 8.9 * 3600 and "this week's quota" in report.waits


def test_the_same_training_of_another_campaign_is_not_an_orphan_of_this_one() -> None:
    computer = _computer()
    _edit(computer, ONE_LEFT.replace("campaign: small", "campaign: other"))
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 0
    assert "PPO" in {one.ticket["spec"]["lineage"]["algorithm"] for one in computer.ledger.open_sessions()}


def test_a_session_of_an_unknown_training_is_reported_and_stays_open() -> None:
    computer = _computer()
    _edit(computer, ONE_LEFT)

    def without_ppo(section: str, settings: Settings) -> SectionCard:
        if settings.get("algorithm") == "PPO":
            raise BadInput("the card declares no PPO")
        return CARDS(section, settings)

    computer.context = replace(computer.context, card_of=without_ppo)
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None
    (message,) = report.troubles
    assert "neither the campaign's file nor its section's card names this training" in message
    assert sum(one.stage == "submitted" for one in computer.ledger.open_sessions()) >= 1
    assert report.orphans_in_flight == 0
    computer.context = replace(computer.context, card_of=CARDS)
    report, _ = carried_through(computer)
    assert report.complete and computer.ledger.open_sessions() == []


def test_a_session_of_an_unknown_training_holds_its_slot_while_it_may_be_running() -> None:
    computer = _computer()
    _edit(computer, ONE_LEFT.replace("[DQN]", "[QRDQN]"))

    def without_ppo(section: str, settings: Settings) -> SectionCard:
        if settings.get("algorithm") == "PPO":
            raise BadInput("the card declares no PPO")
        return CARDS(section, settings)

    computer.context = replace(computer.context, card_of=without_ppo)
    report = computer.tick()
    assert report is not None and report.waits == "all 2 slots are in use" and report.orphans_in_flight == 1
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and len(computer.world.alive()) == 1 and report.waits == ""
    _edit(computer, ONE_LEFT.replace("[DQN]", "[QRDQN, A2C]"))
    computer.context = replace(computer.context, card_of=without_ppo)
    computer.world.clock.sleep(3 * 3600.0)
    computer.tick()
    assert len(computer.world.alive()) == 2, "its nine hours and some patience are over"


def test_a_trial_moved_to_another_campaign_belongs_to_that_campaign() -> None:
    """The run continues and names the campaign that started it; each session names the campaign that pushed it."""
    computer = _computer()
    mine = computer.context.campaign
    _edit(computer, ONE_LEFT.replace("campaign: small", "campaign: other").replace("[DQN]", "[PPO]"))
    computer.world.clock.sleep(10 * 3600.0)
    computer.tick()
    computer.tick()
    pushed = [one for one in computer.ledger.open_sessions() if one.campaign == "other"]
    assert [run.campaign for run in computer.ledger.runs(pushed[0].lineage_id)] == ["small"]
    _edit(computer, ONE_LEFT)
    assert computer.context.campaign.campaign == mine.campaign
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 0 and report.troubles == ()
    assert pushed[0].key in {one.key for one in computer.ledger.open_sessions()}
    sessions = sessions_of_campaign(
        computer.ledger.sessions(pushed[0].lineage_id), computer.ledger.runs(), "small", set()
    )
    assert [one.session for one in sessions] == [1], "the second one's hours are the other campaign's"


def test_an_orphan_pushed_by_a_recovered_ledger_is_collected_too() -> None:
    first = _computer()
    first.world.clock.sleep(10 * 3600.0)
    empty = Computer(first.world, *expanded(WHOLE))
    empty.recover()
    empty.tick()
    ppo = _lineage_of(empty, "PPO")
    assert [run.campaign for run in empty.ledger.runs(ppo)] == [None]
    assert [one.campaign for one in empty.ledger.sessions(ppo)] == [None, "small"]
    _edit(empty, ONE_LEFT)
    report = empty.tick()
    assert report is not None and report.orphans_in_flight == 1
    empty.world.clock.sleep(10 * 3600.0)
    report = empty.tick()
    assert report is not None and empty.ledger.sessions(ppo)[-1].restored and report.orphans_in_flight == 0


def test_an_orphan_on_another_backend_is_reported_and_holds_no_slot() -> None:
    computer = _computer()
    _edit(computer, ONE_LEFT.replace("concurrency: 2", "concurrency: 2\nbackend: kaggle"))
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 0
    (message,) = report.troubles
    assert "in flight on local, its line was removed, and this tick uses kaggle" in message
    assert "--backend local" in message


@pytest.mark.parametrize("can_cancel", [False, True])
def test_an_orphan_beside_a_search_is_not_pruned_and_is_stopped_if_it_can_be(can_cancel: bool) -> None:
    search = """
  look:
    section: section_7_6
    settings: {algorithm: PPO, profiles.full.deadline_s: 32400.0}
    search: {space: {algorithms.PPO.gamma: [0.9, 0.99]}, trials: 2, batch: 1, sampler: random, pruner: {kind: median}}
"""
    text = WHOLE.replace("\n  later:", "\n  soon:").replace("after: [main]", "priority: 5") + search
    world = World(clock=FakeClock(), slots=9, weekly_s=None, can_cancel=can_cancel)
    computer = Computer(world, *expanded(text))
    computer.tick()
    in_flight = {one.lineage_id for one in computer.ledger.open_sessions()}
    removed = in_flight - {trial.lineage_id for trial in computer.context.trials if trial.variant.searched}
    _edit(computer, text.replace("[DQN, PPO]", "[QRDQN]").replace("decision_s: 5.0", "decision_s: 20.0"))
    computer.world.clock.sleep(3600.0)
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == len(removed) == 1 and report.troubles == ()
    assert any("no longer part of the campaign, its session is asked" in one for one in report.changes) is can_cancel
    computer.world.clock.sleep(3600.0 if can_cancel else 10 * 3600.0)
    report = computer.tick()
    assert report is not None and report.orphans_in_flight == 0
    (last,) = (computer.ledger.sessions(one)[-1] for one in removed)
    assert last.restored and last.end_reason in ({"stopped"} if can_cancel else {"paused", "finished"})


def test_a_removed_trial_that_was_stopped_continues_once_its_line_is_back() -> None:
    computer = Computer(World(clock=FakeClock(), slots=9, weekly_s=None, can_cancel=True), *expanded(WHOLE))
    computer.tick()
    (ppo,) = (one.lineage_id for one in computer.context.trials if one.card.algorithm == "PPO")
    _edit(computer, ONE_LEFT)
    computer.world.clock.sleep(3600.0)
    computer.tick()
    (record,) = computer.ledger.sessions(ppo)
    assert record.stop_asked_by == "campaign"
    computer.world.clock.sleep(3600.0)
    computer.tick()
    (record,) = computer.ledger.sessions(ppo)
    assert record.end_reason == "stopped" and record.restored and record.models_steps
    assert computer.ledger.runs(ppo)[-1].end_reason == "interrupted"
    _edit(computer, WHOLE)
    report = computer.tick()
    assert report is not None and report.troubles == ()
    again = computer.ledger.sessions(ppo)[-1]
    assert again.key != record.key and again.input_steps == record.models_steps


def test_a_tick_that_dies_while_it_stops_an_orphan_is_repeated_by_the_next() -> None:
    for fuse in range(1, 40):
        world = World(clock=FakeClock(), slots=9, weekly_s=None, can_cancel=True)
        computer = Computer(world, *expanded(WHOLE))
        computer.tick()
        (ppo,) = (one.lineage_id for one in computer.context.trials if one.card.algorithm == "PPO")
        _edit(computer, ONE_LEFT)
        world.clock.sleep(3600.0)
        world.fuse = fuse
        computer.tick()
        survived, world.fuse = world.fuse is not None, None
        for _ in range(3):
            world.clock.sleep(3600.0)
            computer.tick()
        (record,) = computer.ledger.sessions(ppo)
        assert (record.end_reason, bool(record.restored)) == ("stopped", True), fuse
        assert computer.ledger.runs(ppo)[-1].end_reason == "interrupted"
        if survived:
            return
    raise AssertionError("the tick never got through")


def test_a_crashed_orphan_is_reported_as_ended_without_a_checkpoint() -> None:
    world = World(clock=FakeClock(), slots=9, weekly_s=None, fate=["crash", "crash"])
    computer = Computer(world, *expanded(WHOLE))
    computer.tick()
    _edit(computer, ONE_LEFT)
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None
    (message,) = (line for line in report.changes if "(removed)" in line)
    assert "ended (crashed) without a new checkpoint; no longer part of the campaign" in message


def test_plan_status_and_tick_report_an_orphan(tmp_path: Path) -> None:
    computer = _computer()
    project, ppo = written_down(computer, tmp_path), _lineage_of(computer, "PPO")
    campaign, trials = expanded(ONE_LEFT)
    (message,) = removed_in_flight(project, campaign, trials)
    assert message.startswith(f"(removed) PPO seed 0 [{ppo[:8]}] is in flight and was removed from the file")
    assert removed_in_flight(project, *expanded(WHOLE)) == []
    on_kaggle = replace(campaign, backend="kaggle")
    (message,) = removed_in_flight(project, on_kaggle, trials)
    assert message.endswith("Tick with --backend local until it is collected.")
    _edit(computer, ONE_LEFT)
    report = computer.tick()
    assert report is not None
    assert "1 session(s) in flight of removed trials: waiting to collect them" in tick_lines(campaign, report)


def test_the_forecast_of_a_finished_campaign_is_empty() -> None:
    computer = _computer()
    report, _ = carried_through(computer)
    now = computer.world.clock.now()
    forecast = forecast_campaign(computer.context.campaign, report.statuses, now=now, allowed=None)
    assert forecast.rest_lines() == ["Nothing left to run"] and forecast.to_json()["sessions"] == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_trial_of_every_shipped_campaign_is_recognised_from_its_ticket(path: Path) -> None:
    campaign = load_campaign(path)
    for trial in expand(campaign, CARDS):
        recognised = trial_from_ticket(trial.card.lineage.to_json(), _run_of(trial), CARDS)
        assert (
            recognised is not None
            and recognised.card.lineage == trial.card.lineage
            and recognised.lineage_id == trial.lineage_id
        )
        assert recognised.card.trial == trial.card.trial  # so that its models directory is the same
        assert (recognised.variant.profile, recognised.target_steps) == (trial.variant.profile, trial.target_steps)


def test_a_lineage_that_no_card_key_can_express_is_not_recognised() -> None:
    trial = expanded(SMALL)[1][0]
    lineage = trial.card.lineage.to_json()
    for other in (
        {**lineage, "algorithm": "SARSA"},
        {**lineage, "seed": 5},
        {**lineage, "environment": {**lineage["environment"], "weather": 1}},
        {**lineage, "environment": {**lineage["environment"], "decision_s": None}},
        {**lineage, "environment": {**lineage["environment"], "decision_s": -1.0}},
    ):
        assert trial_from_ticket(other, _run_of(trial), CARDS) is None


def _run_of(trial: Trial) -> RunRecord:
    return RunRecord(
        run_id="r",
        section=trial.card.section,
        lineage_id=trial.lineage_id,
        profile=trial.variant.profile,
        backend="local",
        target_steps=trial.target_steps,
        steps_start=0,
        steps_done=0,
        started_at="t",
    )
