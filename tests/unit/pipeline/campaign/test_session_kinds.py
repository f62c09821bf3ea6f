"""Ticks of a campaign with GPU and CPU sessions, on the simulated Kaggle with the real pipeline and ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.scheduling.gpu_use import gpu_advice, kind_speeds
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import Site
from orchestrator.pipeline.campaign.context import read_trial_statuses
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import SimBackend, World

GPU, CPU = SessionKind.GPU, SessionKind.CPU
FILE = """
campaign: kinds
backend: kaggle
{limits}
assume: {{steps_per_s: 10.0}}
trials:
  main:
    section: section_7_6
    seeds: {seeds}
    settings: {{algorithm: PPO, profiles.full.target_steps: {target}, profiles.full.deadline_s: 32400.0{settings}}}
"""


def computer_of(
    limits: str = "sessions: {gpu: 2, cpu: 5}",
    *,
    seeds: int = 14,
    target: int = 300_000,
    settings: str = "",
    world: World | None = None,
) -> Computer:
    world = world or World(clock=FakeClock(), kind_slots={GPU: 2, CPU: 5})
    text = FILE.format(limits=limits, seeds=seeds, target=target, settings=settings)
    return Computer(world, *expanded(text))


def alive(computer: Computer) -> Counter[SessionKind]:
    return Counter(kernel.kind for kernel in computer.world.alive())


def kinds_of_lineages(computer: Computer) -> dict[str, set[SessionKind | None]]:
    found: dict[str, set[SessionKind | None]] = {}
    for record in computer.ledger.sessions():
        found.setdefault(record.lineage_id, set()).add(record.kind)
    return found


def test_a_tick_fills_both_kinds_and_each_push_asks_for_its_own_machine() -> None:
    computer = computer_of()
    report = computer.tick()
    assert alive(computer) == {GPU: 2, CPU: 5}
    assert report is not None and report.waits == "all 2 GPU and 5 CPU slots are in use"
    machines = Counter((record.machine or {})["accelerator"] for record in computer.ledger.sessions())
    assert machines == {"NvidiaTeslaT4": 2, None: 5}
    devices = Counter(record.ticket["spec"]["device"] for record in computer.ledger.sessions())
    assert devices == {"auto": 2, "cpu": 5}


def test_a_campaign_of_both_kinds_completes_within_the_quota_and_no_training_changes_its_kind() -> None:
    """Three sessions each; the week's quota ends in the middle of the GPU trainings."""
    computer = computer_of(seeds=9, target=800_000)
    report, _ = carried_through(computer)
    assert {one.state for one in report.statuses} == {State.DONE} and computer.world.wrongs == []
    kinds = kinds_of_lineages(computer)
    assert all(len(found) == 1 for found in kinds.values())
    assert Counter(next(iter(found)) for found in kinds.values())[CPU] >= 5
    assert set(map(len, kinds.values())) == {1} and {GPU} in kinds.values()


def test_cpu_sessions_need_no_quota() -> None:
    world = World(clock=FakeClock(), kind_slots={GPU: 2, CPU: 5}, weekly_s=0.0)
    computer = computer_of(seeds=6, world=world)
    report = computer.tick()
    assert alive(computer) == {CPU: 5}
    assert report is not None and report.waits.startswith("GPU: the rest of this week's quota is too short")
    assert report.waits.endswith("CPU: all 5 slots are in use")
    computer.world.clock.sleep(10 * 3600)
    computer.tick()
    assert alive(computer) == {CPU: 1}


def test_hours_of_cpu_sessions_do_not_count_against_the_budget() -> None:
    computer = computer_of("sessions: {gpu: 2, cpu: 5}\nweekly_gpu_hours: 18", seeds=30)
    for _ in range(3):
        computer.tick()
        computer.world.clock.sleep(9 * 3600)
    computer.tick()
    closed = Counter(record.kind for record in computer.ledger.sessions() if record.wall_s)
    assert closed[CPU] == 15 and closed[GPU] == 2


def test_without_an_answer_about_the_quota_cpu_sessions_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: SimBackend) -> None:
        raise RemoteUnavailable("the quota answers 500", transient=True)

    monkeypatch.setattr(SimBackend, "quota", away)
    computer = computer_of()
    report = computer.tick()
    assert alive(computer) == {CPU: 5}
    assert report is not None and "GPU: the quota cannot be read" in report.waits
    assert "quota: the quota answers 500" in " ".join(map(str, report.troubles))


def test_a_kind_that_the_account_has_no_slot_for_does_not_hold_up_the_other() -> None:
    """Someone else's sessions use the GPU slots of the account."""
    world = World(clock=FakeClock(), kind_slots={GPU: 0, CPU: 5})
    computer = computer_of(world=world)
    report = computer.tick()
    assert alive(computer) == {CPU: 5}
    assert report is not None and report.waits == "GPU: all 0 slots are taken; CPU: all 5 slots are in use"


def test_trials_without_use_for_a_gpu_go_to_cpu_sessions_first() -> None:
    computer = computer_of(seeds=4, settings=", kaggle.device: cpu")
    computer.tick()
    assert alive(computer) == {CPU: 4}
    more = computer_of(seeds=7, settings=", kaggle.device: cpu")
    more.tick()
    assert alive(more) == {CPU: 5, GPU: 2}


@pytest.mark.parametrize(("faster", "expected"), [(0.95, {CPU: 3}), (2.0, {GPU: 2, CPU: 1})])
def test_new_trials_go_first_to_the_kind_that_measurements_favour(
    faster: float, expected: dict[SessionKind, int]
) -> None:
    world = World(clock=FakeClock(), kind_slots={GPU: 2, CPU: 5}, faster={GPU: faster})
    computer = computer_of(seeds=10, target=250_000, world=world)
    computer.tick()
    assert alive(computer) == {GPU: 2, CPU: 5}
    computer.world.clock.sleep(8 * 3600)
    computer.tick()
    assert alive(computer) == expected


def begun_in(kind: SessionKind) -> Computer:
    """A training in its second session is due; the first ran in one kind."""
    limits = f"sessions: {{{kind.value}: 1}}"
    computer = computer_of(limits, seeds=1, target=600_000)
    computer.tick()
    computer.world.clock.sleep(10 * 3600)
    return computer


def continued_by(computer: Computer, limits: str, settings: str = "") -> Computer:
    """Another campaign with the same training, on the same computer."""
    other = computer_of(limits, seeds=1, target=600_000, settings=settings, world=computer.world)
    other.ledger, other.models = computer.ledger, computer.models
    made = other.context.run_context
    other.context = replace(
        other.context,
        ledger=computer.ledger,
        run_context=lambda card, backend: replace(
            made(card, backend),
            ledger=computer.ledger,
            results=computer.results,
            models=computer.context.run_context(card, backend).models,
            backend=SimBackend(computer.world, computer.results.brought, card.kaggle),
        ),
    )
    return other


@pytest.mark.parametrize("limits", ["concurrency: 2", "sessions: {gpu: 2, cpu: 5}"], ids=["concurrency", "both kinds"])
def test_another_campaign_continues_a_training_in_the_kind_in_which_it_began(limits: str) -> None:
    other = continued_by(begun_in(CPU), limits)
    other.tick()
    assert alive(other) == {CPU: 1}
    assert [record.kind for record in other.ledger.sessions()] == [CPU, CPU]


def test_a_training_whose_kind_the_campaign_lacks_is_refused_and_not_switched() -> None:
    other = continued_by(begun_in(GPU), "sessions: {cpu: 5}")
    report = other.tick()
    assert alive(other) == {} and report is not None
    trouble = " ".join(map(str, report.troubles))
    assert "it began in GPU sessions, and the campaign's `sessions` has none" in trouble
    context = other.context
    refused = {context.trials[0].lineage_id: "why"}
    (status,) = read_trial_statuses(context.ledger, context.campaign, context.trials, context.code_digest, refused)
    assert status.state is State.FAILED and status.sites == (Site("kaggle", GPU),)


def test_a_pinned_kind_switches_a_training_and_the_tick_says_so() -> None:
    other = continued_by(begun_in(GPU), "sessions: {cpu: 5}", ", kaggle.gpu: false")
    report = other.tick()
    assert alive(other) == {CPU: 1} and report is not None
    assert any("began in GPU sessions, continues in CPU sessions" in change for change in report.changes)


def test_after_a_loss_of_the_ledger_the_kind_is_recovered_from_the_backend() -> None:
    computer = begun_in(CPU)
    empty = computer_of("sessions: {gpu: 2, cpu: 5}", seeds=1, target=600_000, world=computer.world)
    empty.recover()
    empty.tick(recovering=True)
    empty.tick()
    assert [record.kind for record in empty.ledger.sessions()] == [CPU, CPU]


@pytest.mark.parametrize(
    ("faster", "advice"),
    [
        (0.9, "A GPU has nothing to do for section_7_6: measured 9 steps/s in GPU sessions, 10 steps/s in CPU"),
        (3.0, ""),
    ],
)
def test_the_ledger_shows_whether_a_gpu_trains_faster(faster: float, advice: str) -> None:
    world = World(clock=FakeClock(), kind_slots={GPU: 2, CPU: 5}, faster={GPU: faster})
    computer = computer_of(seeds=7, target=250_000, world=world)
    carried_through(computer)
    records = computer.ledger.sessions()
    card = computer.context.trials[0].card
    found = kind_speeds(records, card)
    assert found[CPU] == pytest.approx(10.0, rel=0.01) and found[GPU] == pytest.approx(10.0 * faster, rel=0.01)
    assert gpu_advice(card, found).startswith(advice) and bool(gpu_advice(card, found)) is bool(advice)
    assert gpu_advice(card.of_kind(CPU), found) == ""
    only_cpu = [record for record in records if record.kind is CPU]
    assert gpu_advice(card, kind_speeds(only_cpu, card)) == ""
    assert kind_speeds(records, card.chosen(algorithm="DQN")) == {}
