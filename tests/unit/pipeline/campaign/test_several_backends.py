"""Ticks of a campaign on several simulated backends, with the real pipeline and ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.errors import BadInput, NotYet
from orchestrator.core.ledger.records import Stage
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import Site
from orchestrator.pipeline.campaign.context import read_trial_statuses, request_of_trial
from orchestrator.pipeline.campaign.tick_report import TickReport
from orchestrator.pipeline.run.runner import execute
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World

FILE = """
campaign: several
backends: {limits}
assume: {{steps_per_s: 10.0}}
trials:
  main:
    section: section_7_6
    seeds: {seeds}
    settings: {{algorithm: PPO, profiles.full.target_steps: {target}, profiles.full.deadline_s: 32400.0}}
"""
BOTH = "{kaggle: {sessions: {gpu: 1, cpu: 2}}, local: {sessions: 1}}"
GPU = Site("kaggle", SessionKind.GPU)


class Two:
    """A computer with a simulated Kaggle and a local backend, on one clock."""

    def __init__(self, limits: str = BOTH, *, seeds: int = 6, target: int = 300_000, weekly_s: float = 3e5) -> None:
        clock = FakeClock()
        self.kaggle = World(clock=clock, kind_slots={SessionKind.GPU: 2, SessionKind.CPU: 5}, weekly_s=weekly_s)
        self.local = World(clock=clock, slots=4, weekly_s=None, cards=self.kaggle.cards, others=[self.kaggle])
        self.kaggle.others.append(self.local)
        self.limits, self.seeds, self.target = limits, seeds, target
        self.computer = self.new_computer()

    def new_computer(self, limits: str = "") -> Computer:
        text = FILE.format(limits=limits or self.limits, seeds=self.seeds, target=self.target)
        return Computer(self.local, *expanded(text), others={"kaggle": self.kaggle})

    def with_limits(self, limits: str) -> None:
        """Edit the file."""
        other = self.new_computer(limits)
        old = self.computer.context
        context = replace(other.context, ledger=old.ledger, run_context=old.run_context)
        self.computer.context = context

    def tick(self) -> TickReport:
        report = self.computer.tick()
        assert report is not None
        return report

    def alive(self) -> Counter[str]:
        return Counter(one.backend for one in self.computer.ledger.open_sessions())

    def sleep(self, hours: float) -> None:
        self.local.clock.sleep(hours * 3600.0)

    @property
    def wrongs(self) -> list[str]:
        return [*self.kaggle.wrongs, *self.local.wrongs]

    def backends_of_lineages(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for one in self.computer.ledger.sessions():
            if not one.never_submitted:
                found.setdefault(one.lineage_id, []).append(one.backend)
        return list(found.values())

    def carry_through(self, hours: float = 3.0) -> TickReport:
        for _ in range(200):
            if (report := self.tick()).over:
                return report
            self.sleep(hours)
        raise AssertionError(report)


def test_one_tick_fills_all_backends_and_the_next_says_which_slots_are_in_use() -> None:
    two = Two()
    two.tick()
    assert two.alive() == {"kaggle": 3, "local": 1}
    kinds = Counter(one.kind for one in two.computer.ledger.sessions())
    assert kinds == {SessionKind.GPU: 1, SessionKind.CPU: 2, None: 1}
    assert two.tick().waits == (
        "kaggle GPU: all 1 slots are in use; kaggle CPU: all 2 slots are in use; local: all 1 slots are in use"
    )


def test_a_campaign_on_two_backends_completes_and_no_training_moves_without_a_reason() -> None:
    two = Two(target=800_000)
    report = two.carry_through()
    assert {one.state for one in report.statuses} == {State.DONE} and two.wrongs == []
    assert all(len(set(found)) == 1 and len(found) == 3 for found in two.backends_of_lineages())
    assert {found[0] for found in two.backends_of_lineages()} == {"kaggle", "local"}


def test_a_backend_that_is_away_is_reported_in_one_line_and_the_other_goes_on() -> None:
    two = Two()
    two.tick()
    two.kaggle.away = True
    two.sleep(9.0)
    report = two.tick()
    (trouble,) = report.troubles
    assert trouble.startswith("kaggle cannot be used now: no route to host") and not report.backend_away
    states = Counter(one.state for one in report.statuses)
    assert states == {State.DONE: 1, State.LIVE: 4, State.WAITING: 1}
    assert two.alive() == {"kaggle": 3, "local": 1}
    two.kaggle.away = False
    assert two.carry_through().complete and two.wrongs == []


def test_the_tick_fails_only_if_no_backend_answers() -> None:
    two = Two()
    two.tick()
    two.kaggle.away = two.local.away = True
    report = two.tick()
    assert report.backend_away and len(report.troubles) == 2


def begun_on_kaggle(**traits: object) -> Two:
    """A training whose first session has ended on Kaggle; nothing else is in flight."""
    two = Two("{kaggle: {sessions: {gpu: 1}}, local: {sessions: 1}}", seeds=1, target=800_000, **traits)  # type: ignore[arg-type]  # traits of the simulation by name
    two.tick()
    two.sleep(9.2)
    return two


def collected(two: Two) -> None:
    """Collect the first session, without starting the next one."""
    two.kaggle.kind_slots[SessionKind.GPU] = 0
    report = two.tick()
    assert "kaggle GPU: all 0 slots are taken" in report.waits
    two.kaggle.kind_slots[SessionKind.GPU] = 1


def test_a_training_waits_an_hour_for_its_backend_then_moves_and_the_tick_says_so() -> None:
    two = begun_on_kaggle()
    collected(two)
    two.kaggle.away = True
    assert two.tick().waits == "1 trial(s) wait for kaggle, where they began" and two.alive() == {}
    two.sleep(1.0)
    moved = two.tick()
    assert two.alive() == {"local": 1}
    assert any(
        "began in GPU sessions of kaggle, continues in sessions of local; its resume grade" in one
        for one in moved.changes
    )
    two.kaggle.away = False
    two.sleep(10.0)
    two.tick()
    assert two.backends_of_lineages() == [["kaggle", "local", "local"]] and two.wrongs == []


def test_without_quota_for_a_session_a_training_goes_on_elsewhere() -> None:
    two = begun_on_kaggle(weekly_s=32_500.0)
    report = two.tick()
    assert two.alive() == {"local": 1} and two.backends_of_lineages() == [["kaggle", "local"]]
    assert any("continues in sessions of local" in one for one in report.changes)


def test_full_slots_are_no_reason_to_move() -> None:
    two = begun_on_kaggle()
    two.kaggle.kind_slots[SessionKind.GPU] = 0
    report = two.tick()
    assert two.alive() == {} and report.waits.startswith("kaggle GPU: all 0 slots are taken")


def test_a_session_in_flight_anywhere_keeps_its_training_from_a_second_one() -> None:
    two = Two("{kaggle: {sessions: {gpu: 1}}, local: {sessions: 1}}", seeds=1, target=800_000)
    two.tick()
    (trial,) = two.computer.context.trials
    here = two.computer.context.run_context(trial.card, "local")
    with pytest.raises(BadInput, match="of this training is in flight on kaggle"):
        execute(here, request_of_trial(trial))
    with pytest.raises(NotYet, match="of this training is in flight on kaggle"):
        execute(replace(here, waits=False), request_of_trial(trial))
    assert two.local.submits == 0 and two.wrongs == []


@pytest.mark.parametrize("after", range(1, 60, 2))
def test_a_kill_anywhere_never_gives_a_training_two_sessions_on_two_backends(after: int) -> None:
    """The program dies at any action while Kaggle goes away and comes back, so that trainings move both ways."""
    two = Two(seeds=3, target=500_000)
    two.local.fuse = two.kaggle.fuse = after
    for number in range(12):
        two.kaggle.away = number % 3 == 1
        two.computer.tick()
        for world in (two.kaggle, two.local):
            world.fuse = world.fuse or after + 7 * number
        two.sleep(2.5)
        open_now = Counter(one.lineage_id for one in two.computer.ledger.open_sessions())
        assert max(open_now.values(), default=1) == 1
    two.kaggle.away, two.kaggle.fuse, two.local.fuse = False, None, None
    report = two.carry_through()
    assert report.complete and two.wrongs == []


def test_another_computers_session_on_the_other_backend_is_adopted_and_not_doubled() -> None:
    """Its ledger was lost: a training that runs on Kaggle must not begin on this computer as well."""
    two = Two("{local: {sessions: 1}, kaggle: {sessions: {cpu: 2}}}", seeds=1, target=800_000)
    first = two.new_computer("{kaggle: {sessions: {cpu: 2}}, local: {sessions: 1}}")
    first.tick()
    two.sleep(0.5)
    two.tick()
    assert two.alive() == {"kaggle": 1} and two.local.submits == 0 and two.wrongs == []


def test_an_empty_ledger_is_recovered_from_every_backend() -> None:
    two = Two(target=500_000)
    two.tick()
    two.sleep(2.0)
    empty = two.new_computer()
    empty.recover()
    found = Counter(one.backend for one in empty.ledger.open_sessions())
    assert found == {"kaggle": 3, "local": 1}


def test_a_session_on_a_backend_that_the_file_names_no_longer_is_collected_and_its_training_moves() -> None:
    two = begun_on_kaggle()
    two.with_limits("{local: {sessions: 1}, slurm: {sessions: 1}}")
    two.kaggle.away = True
    report = two.tick()
    assert [one.state for one in report.statuses] == [State.LIVE] and two.alive() == {"kaggle": 1}
    assert len(report.troubles) == 1 and not report.backend_away
    two.kaggle.away = False
    two.tick()
    assert two.alive() == {"local": 1} and two.backends_of_lineages() == [["kaggle", "local"]]


def test_runs_on_the_backend_that_a_training_left_are_ended() -> None:
    two = begun_on_kaggle(weekly_s=32_500.0)
    two.tick()
    (trial,) = two.computer.context.trials
    ends = [(run.backend, run.end_reason) for run in two.computer.ledger.runs(trial.lineage_id)]
    assert ends == [("kaggle", "interrupted"), ("local", None)]


def test_the_forecast_counts_all_backends_together_and_shows_each() -> None:
    two = Two(seeds=8, target=300_000)
    two.tick()
    context = two.computer.context
    statuses = read_trial_statuses(context.ledger, context.campaign, context.trials, context.code_digest)
    ahead = forecast_campaign(context.campaign, statuses, now=context.clock.now(), allowed=None)
    plain = ahead.to_json()
    assert plain["backend"] == "kaggle, local" and plain["concurrency"] == 4
    assert {name: row["slots"] for name, row in plain["backends"].items()} == {
        "kaggle": "1 GPU and 2 CPU",
        "local": "1",
    }
    assert {name: row["in_flight"] for name, row in plain["backends"].items()} == {"kaggle": 3, "local": 1}
    assert sum(row["sessions"] for row in plain["backends"].values()) == plain["sessions"] == 8
    lines = ahead.lines()
    assert lines[0].startswith(
        "several on kaggle, local: 8 trials in 1 variants, 1 GPU and 2 CPU on kaggle and 1 on local"
    )
    assert any(
        line.startswith("  on kaggle: 1 GPU and 2 CPU at a time, 3 in flight, 6 sessions to come") for line in lines
    )
    assert any(line.startswith("  on local: 1 at a time, 1 in flight, 2 sessions to come") for line in lines)


def test_a_closed_session_keeps_its_backend_in_the_ledger() -> None:
    two = begun_on_kaggle(weekly_s=32_500.0)
    two.carry_through()
    closed = [one.backend for one in two.computer.ledger.sessions() if one.stage is Stage.CLOSED]
    assert closed == ["kaggle", "local", "local"]
