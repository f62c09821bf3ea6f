"""A campaign under random faults in random order ends with the same policies as an undisturbed one."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.core.campaign.trial_status import State
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import WEEK_S, World

CAMPAIGN, TRIALS = expanded(SMALL)
OTHER_CODE = "c" * 64


def policies(computer: Computer) -> dict[str, tuple[int, str]]:
    """The campaign's result: lineage -> steps and digest of the policy in place."""
    return {
        lineage_id: (models.view().steps, models.view().verified[0].files[0].sha256)
        for lineage_id, models in computer.models.items()
        if models.view().verified
    }


def undisturbed() -> dict[str, tuple[int, str]]:
    computer = Computer(World(clock=FakeClock()), CAMPAIGN, TRIALS)
    report, _ = carried_through(computer)
    assert report.complete
    return policies(computer)


EXPECTED = undisturbed()


class AnyInterleaving(RuleBasedStateMachine):
    """Two computers, each with its own ledger, take turns on one campaign under injected faults.

    Assumed: a turn changes only after the seconds for which the service hides a new kernel (hidden kernels cannot
    be recovered), as between the jobs of a CI group. No kernel stays hidden for longer than the visibility window;
    `test_late_pushes.py` covers that case.
    """

    @initialize()
    def set_up_world(self) -> None:
        self.world = World(clock=FakeClock())
        self.computers = [Computer(self.world, CAMPAIGN, TRIALS) for _ in range(2)]
        self.active = 0

    def turn_of(self, which: int) -> Computer:
        if which != self.active:
            self.world.clock.sleep(self.world.hidden_s + 1)
        self.active = which
        return self.computers[which]

    @rule(which=st.integers(0, 1))
    def tick(self, which: int) -> None:
        self.turn_of(which).tick()

    @rule(which=st.integers(0, 1), after=st.integers(1, 60))
    def tick_and_get_killed(self, which: int, after: int) -> None:
        """Kill the program just before or just after its n-th side effect: a backend call or a ledger event."""
        computer = self.turn_of(which)
        self.world.fuse = after
        computer.tick()
        self.world.fuse = None

    @rule(which=st.integers(0, 1))
    def lose_the_disk(self, which: int) -> None:
        """Replace an ephemeral runner by an empty one, after some seconds: only the backend's data remain."""
        self.turn_of(which)
        self.world.clock.sleep(self.world.hidden_s + 1)
        self.computers[which] = Computer(self.world, CAMPAIGN, TRIALS)
        self.computers[which].recover()

    @rule()
    def delete_an_old_kernel(self) -> None:
        """Delete the oldest ended kernel that a later kernel of the same training has passed in steps.

        A ledger may still have this session open; its name is then free for the other computer.
        """
        kernels = self.world.kernels
        steps = Counter[str]()
        for one in kernels.values():
            steps[one.ticket.lineage_id] = max(steps[one.ticket.lineage_id], one.card.steps if one.card else 0)
        for slug, one in kernels.items():
            if one.ends_s <= self.world.now_s and (one.card.steps if one.card else -1) < steps[one.ticket.lineage_id]:
                del self.world.kernels[slug]
                return

    @rule(late_s=st.sampled_from([0.0, 600.0, 3600.0]))
    def delay_the_listing(self, late_s: float) -> None:
        self.world.listed_after_s = late_s

    @rule(hours=st.sampled_from([0.01, 0.1, 1.0, 5.0, 9.0, 30.0]))
    def advance_the_clock(self, hours: float) -> None:
        self.world.clock.sleep(hours * 3600)

    @rule(how=st.sampled_from(["before", "after"]))
    def lose_a_submit_answer(self, how: str) -> None:
        self.world.lose.append(how)

    @rule(how=st.sampled_from(["fault", "absent", "word"]))
    def fail_a_poll(self, how: str) -> None:
        self.world.blind.append(how)

    @rule(how=st.sampled_from(["crash", "half"]))
    def make_a_kernel_fail(self, how: str) -> None:
        if len(self.world.fate) < 4:
            self.world.fate.append(how)

    @invariant()
    def no_rule_of_the_world_is_broken(self) -> None:
        if hasattr(self, "world"):
            assert self.world.wrongs == []

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for faults in (self.world.fate, self.world.lose, self.world.blind):
            faults.clear()
        for which in (0, 1):
            computer = self.turn_of(which)
            report, _ = carried_through(computer, most_ticks=3_000)
            outcomes = [(one.trial.label, one.state, one.why) for one in report.statuses]
            assert report.complete, outcomes
            assert policies(computer) == EXPECTED
            known = list(computer.ledger.sessions())
            assert computer.ledger.rebuild() and list(computer.ledger.sessions()) == known
        assert self.world.wrongs == []


LONG = bool(os.environ.get("PROVE_CAMPAIGN"))

AnyInterleaving.TestCase.settings = settings(
    max_examples=300 if LONG else 12,
    stateful_step_count=40 if LONG else 20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # no shrinking: a failing example is short enough
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAnyInterleaving = AnyInterleaving.TestCase


def test_a_trial_that_always_crashes_is_stuck_and_the_other_trials_complete() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    campaign, trials = expanded(SMALL.replace("{stuck: 9}", "{stuck: 1}"))
    computer = Computer(world, campaign, trials)
    doomed = trials[0].lineage_id
    world.doomed[doomed] = 1000
    report, _ = carried_through(computer)
    states = {one.trial.label: (one.state, one.why) for one in report.statuses}
    assert states["main DQN seed 0"] == (State.FAILED, "stuck")
    assert states["later seed 0"] == (State.CUT_OFF, "")
    assert [state for state, _ in states.values()].count(State.DONE) == 3
    assert report.over and not report.complete
    assert (
        sum(kernel.ticket.lineage_id == doomed for kernel in world.kernels.values()) == 6
    )  # two runs of three sessions


def test_no_weekly_quota_is_exceeded_and_no_session_too_short_to_save_starts() -> None:
    world = World(clock=FakeClock(), weekly_s=20 * 3600.0)
    computer = Computer(world, CAMPAIGN, TRIALS)
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == []
    assert len(world.used_s) > 2 and max(world.used_s.values()) <= 20 * 3600.0
    assert min(kernel.granted_s for kernel in world.kernels.values()) >= 900.0


def test_a_partial_campaign_is_balanced_by_seed() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, *expanded(SMALL.replace("seeds: 2", "seeds: 4")))
    done: list[tuple[int, str]] = []
    while len(done) < 4:
        report = computer.tick()
        assert report is not None
        labels = {label for _, label in done}
        done += [
            (one.trial.seed, one.trial.label)
            for one in report.statuses
            if one.state is State.DONE and one.trial.label not in labels
        ]
        world.clock.sleep(3600.0)
    assert [seed for seed, _ in done] == [0, 0, 1, 1]


def test_trials_finished_with_older_code_are_stale_and_do_not_run_again() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, CAMPAIGN, TRIALS)
    carried_through(computer)
    before = world.submits
    later = Computer(world, CAMPAIGN, TRIALS, code=OTHER_CODE)
    later.recover()
    report, _ = carried_through(later)
    assert {one.state for one in report.statuses} == {State.STALE}
    assert world.submits == before


def test_adding_a_seed_trains_only_the_new_trials() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    carried_through(computer := Computer(world, CAMPAIGN, TRIALS))
    before = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    campaign, trials = expanded(SMALL.replace("seeds: 2", "seeds: 3"))
    wider = Computer(world, campaign, trials)
    wider.recover()
    report, _ = carried_through(wider)
    after = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    assert report.complete and len(after - before) == 2
    assert policies(computer).items() <= policies(wider).items()


def test_no_session_starts_after_the_deadline_and_open_sessions_are_collected() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    deadline = (world.clock.now() + timedelta(hours=20)).isoformat()
    campaign, trials = expanded(SMALL + f"stop: {{deadline: '{deadline}'}}\n")
    computer = Computer(world, campaign, trials)
    report, _ = carried_through(computer)
    assert "deadline" in report.stopped and not report.complete
    assert world.alive() == [] and max(kernel.ends_s for kernel in world.kernels.values()) <= 20 * 3600.0
    assert all(not one.ledger.open_sessions() for one in [computer])


def test_enough_failures_of_one_kind_stop_the_campaign() -> None:
    campaign, trials = expanded(SMALL.replace("{stuck: 9}", "{stuck: 0}") + "stop: {failures: {stuck: 2}}\n")
    doomed = {trials[0].lineage_id: 1000, trials[1].lineage_id: 1000}
    world = World(clock=FakeClock(), weekly_s=None, doomed=doomed)
    report, _ = carried_through(Computer(world, campaign, trials))
    pushed = Counter(kernel.ticket.lineage_id for kernel in world.kernels.values())
    assert "stuck" in report.stopped and {pushed[lineage_id] for lineage_id in doomed} == {3}


def test_a_spare_seed_replaces_a_failed_seed() -> None:
    text = SMALL.replace("{stuck: 9}", "{stuck: 0}").replace("seeds: 2", "seeds: {completed: 2, spares: 1}")
    campaign, trials = expanded(text.replace("concurrency: 2", "concurrency: 1"))
    world = World(clock=FakeClock(), weekly_s=None, slots=1, doomed={trials[0].lineage_id: 3})
    computer = Computer(world, campaign, trials)
    report, _ = carried_through(computer)
    states = {one.trial.label: one.state for one in report.statuses}
    assert states["main DQN seed 0"] is State.FAILED and states["main DQN seed 2"] is State.DONE
    assert states["main PPO seed 2"] is State.SPARE and states["later seed 0"] is State.DONE
    assert report.over and report.complete


def test_an_idle_tick_polls_each_live_session_once() -> None:
    world = World(clock=FakeClock())
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    world.clock.sleep(3600)
    before = world.calls
    report = computer.tick()
    assert report is not None and report.changes == ()
    assert world.calls - before == len(world.alive()) == 2
    assert world.week < WEEK_S
