"""Whatever happens in whatever order: the campaign ends as the undisturbed one does, and nothing forbidden is done."""

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
    """What a campaign is for: lineage -> steps and bytes of the policy in place."""
    return {
        lineage_id: (models.view().steps, models.view().verified[0].files[0].sha256)
        for lineage_id, models in computer.models.items()
        if models.view().verified
    }


def undisturbed() -> dict[str, tuple[int, str]]:
    computer = Computer(World(clock=FakeClock()), CAMPAIGN, TRIALS)
    ticked, _ = carried_through(computer)
    assert ticked.complete
    return policies(computer)


EXPECTED = undisturbed()


class AnyInterleaving(RuleBasedStateMachine):
    """Two computers with ledgers of their own move one campaign on, and everything goes wrong that can.

    Granted is that they take turns, as the jobs of a CI group do, and not within the seconds for which
    the service hides a new kernel. Nobody can read back what is hidden. Nor is one hidden for longer than the window
    after which its absence is believed: what is promised then is in `test_late_pushes.py`.
    """

    @initialize()
    def begin(self) -> None:
        self.world = World(clock=FakeClock())
        self.computers = [Computer(self.world, CAMPAIGN, TRIALS) for _ in range(2)]
        self.at_work = 0

    def turn_of(self, which: int) -> Computer:
        if which != self.at_work:
            self.world.clock.sleep(self.world.hidden_s + 1)
        self.at_work = which
        return self.computers[which]

    @rule(which=st.integers(0, 1))
    def tick(self, which: int) -> None:
        self.turn_of(which).tick()

    @rule(which=st.integers(0, 1), after=st.integers(1, 60))
    def tick_and_die(self, which: int, after: int) -> None:
        """Killed just before or just after the n-th act outside: a call, or an event in the ledger."""
        computer = self.turn_of(which)
        self.world.fuse = after
        computer.tick()
        self.world.fuse = None

    @rule(which=st.integers(0, 1))
    def lose_the_disk(self, which: int) -> None:
        """An ephemeral runner: nothing is left but what is over there, and the next one needs a while to come up."""
        self.turn_of(which)
        self.world.clock.sleep(self.world.hidden_s + 1)
        self.computers[which] = Computer(self.world, CAMPAIGN, TRIALS)
        self.computers[which].recover()

    @rule()
    def tidy_up_over_there(self) -> None:
        """The oldest kernel whose steps a later one of its training has is deleted by hand on the service's page.

        Also one that a ledger is still carrying: its name is free for the other computer then.
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
    def list_late(self, late_s: float) -> None:
        self.world.listed_after_s = late_s

    @rule(hours=st.sampled_from([0.01, 0.1, 1.0, 5.0, 9.0, 30.0]))
    def time_passes(self, hours: float) -> None:
        self.world.clock.sleep(hours * 3600)

    @rule(how=st.sampled_from(["before", "after"]))
    def lose_an_answer(self, how: str) -> None:
        self.world.lose.append(how)

    @rule(how=st.sampled_from(["fault", "absent", "word"]))
    def look_in_vain(self, how: str) -> None:
        self.world.blind.append(how)

    @rule(how=st.sampled_from(["crash", "half"]))
    def break_a_kernel(self, how: str) -> None:
        if len(self.world.fate) < 4:
            self.world.fate.append(how)

    @invariant()
    def nothing_forbidden_was_done(self) -> None:
        if hasattr(self, "world"):
            assert self.world.wrongs == []

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for faults in (self.world.fate, self.world.lose, self.world.blind):
            faults.clear()
        for which in (0, 1):
            computer = self.turn_of(which)
            ticked, _ = carried_through(computer, most_ticks=3_000)
            stands = [(one.trial.label, one.state, one.why) for one in ticked.statuses]
            assert ticked.complete, stands
            assert policies(computer) == EXPECTED
            known = list(computer.ledger.sessions())
            assert computer.ledger.rebuild() and list(computer.ledger.sessions()) == known
        assert self.world.wrongs == []


LONG = bool(os.environ.get("PROVE_CAMPAIGN"))

AnyInterleaving.TestCase.settings = settings(
    max_examples=300 if LONG else 12,
    stateful_step_count=40 if LONG else 20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a failing story is short enough as it is
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAnyInterleaving = AnyInterleaving.TestCase


def test_a_training_that_dies_every_time_is_reported_stuck_and_the_others_end() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    campaign, trials = expanded(SMALL.replace("{stuck: 9}", "{stuck: 1}"))
    computer = Computer(world, campaign, trials)
    doomed = trials[0].lineage_id
    world.doomed[doomed] = 1000
    ticked, _ = carried_through(computer)
    states = {one.trial.label: (one.state, one.why) for one in ticked.statuses}
    assert states["main DQN seed 0"] == (State.FAILED, "stuck")
    assert states["later seed 0"] == (State.CUT_OFF, "")
    assert [state for state, _ in states.values()].count(State.DONE) == 3
    assert ticked.over and not ticked.complete
    assert sum(kernel.ticket.lineage_id == doomed for kernel in world.kernels.values()) == 6  # three, and a further run


def test_the_quota_of_no_week_is_exceeded_and_what_cannot_save_is_not_started() -> None:
    world = World(clock=FakeClock(), weekly_s=20 * 3600.0)
    computer = Computer(world, CAMPAIGN, TRIALS)
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == []
    assert len(world.used_s) > 2 and max(world.used_s.values()) <= 20 * 3600.0
    assert min(kernel.granted_s for kernel in world.kernels.values()) >= 900.0


def test_a_partial_campaign_is_balanced_by_seed() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, *expanded(SMALL.replace("seeds: 2", "seeds: 4")))
    done: list[tuple[int, str]] = []
    while len(done) < 4:
        ticked = computer.tick()
        assert ticked is not None
        labels = {label for _, label in done}
        done += [
            (one.trial.seed, one.trial.label)
            for one in ticked.statuses
            if one.state is State.DONE and one.trial.label not in labels
        ]
        world.clock.sleep(3600.0)
    assert [seed for seed, _ in done] == [0, 0, 1, 1]


def test_finished_trials_of_older_code_are_stale_and_are_not_run_again() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, CAMPAIGN, TRIALS)
    carried_through(computer)
    before = world.submits
    later = Computer(world, CAMPAIGN, TRIALS, code=OTHER_CODE)
    later.recover()
    ticked, _ = carried_through(later)
    assert {one.state for one in ticked.statuses} == {State.STALE}
    assert world.submits == before


def test_more_seeds_plan_only_the_difference() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    carried_through(computer := Computer(world, CAMPAIGN, TRIALS))
    before = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    campaign, trials = expanded(SMALL.replace("seeds: 2", "seeds: 3"))
    wider = Computer(world, campaign, trials)
    wider.recover()
    ticked, _ = carried_through(wider)
    after = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    assert ticked.complete and len(after - before) == 2
    assert policies(computer).items() <= policies(wider).items()


def test_after_the_deadline_nothing_starts_and_what_flies_comes_home() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    deadline = (world.clock.now() + timedelta(hours=20)).isoformat()
    campaign, trials = expanded(SMALL + f"stop: {{deadline: '{deadline}'}}\n")
    computer = Computer(world, campaign, trials)
    ticked, _ = carried_through(computer)
    assert "deadline" in ticked.stopped and not ticked.complete
    assert world.alive() == [] and max(kernel.ends_s for kernel in world.kernels.values()) <= 20 * 3600.0
    assert all(not one.ledger.open_sessions() for one in [computer])


def test_enough_failures_of_one_kind_stop_the_campaign() -> None:
    campaign, trials = expanded(SMALL.replace("{stuck: 9}", "{stuck: 0}") + "stop: {failures: {stuck: 2}}\n")
    doomed = {trials[0].lineage_id: 1000, trials[1].lineage_id: 1000}
    world = World(clock=FakeClock(), weekly_s=None, doomed=doomed)
    ticked, _ = carried_through(Computer(world, campaign, trials))
    pushed = Counter(kernel.ticket.lineage_id for kernel in world.kernels.values())
    assert "stuck" in ticked.stopped and {pushed[lineage_id] for lineage_id in doomed} == {3}


def test_a_spare_seed_stands_in_for_one_whose_infrastructure_failed() -> None:
    text = SMALL.replace("{stuck: 9}", "{stuck: 0}").replace("seeds: 2", "seeds: {completed: 2, spares: 1}")
    campaign, trials = expanded(text.replace("concurrency: 2", "concurrency: 1"))
    world = World(clock=FakeClock(), weekly_s=None, slots=1, doomed={trials[0].lineage_id: 3})
    computer = Computer(world, campaign, trials)
    ticked, _ = carried_through(computer)
    states = {one.trial.label: one.state for one in ticked.statuses}
    assert states["main DQN seed 0"] is State.FAILED and states["main DQN seed 2"] is State.DONE
    assert states["main PPO seed 2"] is State.SPARE and states["later seed 0"] is State.DONE
    assert ticked.over and ticked.complete


def test_an_idle_tick_asks_once_for_each_live_session() -> None:
    world = World(clock=FakeClock())
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    world.clock.sleep(3600)
    before = world.calls
    ticked = computer.tick()
    assert ticked is not None and ticked.changes == ()
    assert world.calls - before == len(world.alive()) == 2
    assert world.week < WEEK_S
