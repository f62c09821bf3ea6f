"""How fast campaigns are planned and recorded, and how good the schedule is: `make bench-campaign`.

Exits with 1 if a goal is missed. The simulation runs the real tick, scheduler, pipeline and ledger. Backend and clock
are simulated; checkpoints, results and ledger are in memory; the ledger on a disk is measured by itself. Times are CPU
seconds of this process, because other work on the machine changes them less; wall seconds are shown as well.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.campaign.trial_status import TrialStatus, trial_status, with_dependencies
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.scheduling.forecast import forecast
from orchestrator.core.scheduling.workload import remaining_work
from orchestrator.pipeline.campaign.start import Room, start_order
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

TRIALS, SLOTS, SPEED = 10_000, 100, 10.0
Answer = TypeVar("Answer")
_missed: list[str] = []


def campaign_text(seeds: int) -> str:
    """A hundred variants of one section; every training takes four sessions of nine hours at ten steps a second."""
    decisions = ", ".join(f"{value / 2}" for value in (5, 10, 20, 30, 40, 60, 80, 100, 120, 180))
    batches = ", ".join(str(2**power) for power in range(10))
    return f"""
campaign: big
concurrency: {SLOTS}
assume: {{steps_per_s: {SPEED}, start_s: 120, save_s: 180}}
trials:
  main:
    section: section_7_6
    seeds: {seeds}
    settings: {{profiles.full.target_steps: {int(SPEED * 32_100 * 3.9)}, profiles.full.deadline_s: 32400.0}}
    matrix: {{environment.decision_s: [{decisions}], algorithms.DQN.batch_size: [{batches}]}}
"""


def measured(what: str, act: Callable[[], Answer]) -> tuple[Answer, float]:
    """The result of `act` and its CPU seconds, which are also printed."""
    began_s, wall_s = time.process_time(), time.perf_counter()
    answer = act()
    spent_s = time.process_time() - began_s
    print(f"  {what}: {spent_s:.2f} s CPU ({time.perf_counter() - wall_s:.2f} s wall)", flush=True)
    return answer, spent_s


def require(met: bool, goal: str) -> None:
    print(f"  {'met' if met else 'MISSED'}: {goal}", flush=True)
    if not met:
        _missed.append(goal)


def short_text(seeds: int) -> str:
    """The same campaign with sessions of 330 s, of which start and save take 300 s: 216 sessions for each training."""
    long_s = f"profiles.full.target_steps: {int(SPEED * 32_100 * 3.9)}, profiles.full.deadline_s: 32400.0"
    short_s = f"profiles.full.target_steps: {int(SPEED * 30 * 216)}, profiles.full.deadline_s: 330.0"
    return campaign_text(seeds).replace(long_s, short_s)


def generated_text(number: int) -> str:
    """A random campaign: three to ten variants with three to ten seeds each, some of them after others."""
    draw, first, text = random.Random(number), list[str](), list[str]()
    slots = draw.choice([2, 2, 3, 5])
    for variant in range(draw.randint(3, 10)):
        steps, waits = int(draw.uniform(2.0, 60.0) * 3600 * SPEED), bool(first) and draw.random() < 0.5
        after = ", ".join(first) if waits else ""
        first += [] if waits else [f"v{variant}"]
        text.append(f"""
  v{variant}:
    section: section_7_6
    seeds: {draw.randint(3, 10)}
    priority: {draw.choice([0, 0, 1])}
    settings: {{profiles.full.target_steps: {steps}, profiles.full.deadline_s: 32400.0,
      algorithms.DQN.batch_size: {2**variant}}}
    after: [{after}]""")
    assume = f"{{steps_per_s: {SPEED}, start_s: 120, save_s: 180}}"
    return f"campaign: any\nconcurrency: {slots}\nassume: {assume}\ntrials:{''.join(text)}\n"


def plan(text: str) -> tuple[Campaign, tuple[Trial, ...], int]:
    """The campaign, its trials, and the number of sessions in its forecast."""
    campaign = parse_campaign(text, "big.yaml")
    trials = expand(campaign, card_reader(PROJECT_ROOT / "configs" / "sections"))
    statuses = waiting(campaign, trials)
    ahead = forecast_campaign(campaign, statuses, now=FakeClock().now(), allowed=None)
    return campaign, trials, ahead.to_json()["sessions"]


def waiting(campaign: Campaign, trials: tuple[Trial, ...]) -> tuple[TrialStatus, ...]:
    """The status of every trial before the first tick."""
    return with_dependencies(
        [trial_status(trial, (), live=False, code_digest="b" * 64, retries=campaign.retries) for trial in trials]
    )


def simulate(campaign: Campaign, trials: tuple[Trial, ...]) -> None:
    """Run a campaign to its end, and compare its makespan with the lower bound."""
    slots = campaign.slots.total
    world = World(clock=FakeClock(), slots=slots, weekly_s=None, speed=lambda lineage_id: SPEED)
    report, ticks = carried_through(Computer(world, campaign, trials), new_program=False)
    statuses = [trial_status(t, (), live=False, code_digest="", retries={}) for t in trials]
    bound_s = forecast(remaining_work(campaign, statuses, {}), slots=campaign.slots).bound_s
    print(f"  {world.submits} sessions, {ticks} ticks, {world.now_s / 86_400:.0f} simulated days")
    require(report.complete and world.wrongs == [], "the campaign is complete and has broken no rule")
    require(world.now_s <= 1.05 * bound_s, f"makespan {world.now_s / bound_s:.3f} of the lower bound, at most 1.05")


def over_three_backends(seeds: int) -> tuple[Campaign, tuple[Trial, ...]]:
    """The same campaign on Kaggle, a cluster and this computer, with 500 slots in all; planned and timed."""
    limits = "{kaggle: {sessions: {gpu: 2, cpu: 5}}, slurm: {sessions: 480}, local: {sessions: 13}}"
    text = campaign_text(seeds).replace(f"concurrency: {SLOTS}", f"backends: {limits}")
    (campaign, trials, _), spent_s = measured("file to forecast", lambda: plan(text))
    statuses = waiting(campaign, trials)
    ahead = forecast(remaining_work(campaign, statuses, {}), slots=campaign.slots)
    share = ahead.makespan_s / ahead.bound_s
    print(f"  {ahead.sessions} sessions, {ahead.makespan_s / 86_400:.0f} days on {campaign.slots}")
    require(spent_s < 1.5, f"{len(trials)} trials on {campaign.slots.total} slots planned in under 1.5 s")
    require(share <= 1.05, f"makespan {share:.3f} of the lower bound, at most 1.05")
    return campaign, trials


def choosing(campaign: Campaign, trials: tuple[Trial, ...]) -> None:
    """The scheduler's part of a tick: what each trial still needs, the order, and where the next sessions run."""
    statuses, slots = waiting(campaign, trials), campaign.slots

    def choose(in_flight: int) -> int:
        work = {one.index: one for one in remaining_work(campaign, statuses, {})}
        room, chosen, now = Room(slots, slots.sites, ()), 0, FakeClock().now()
        for one in start_order(slots.total, work, statuses):
            if chosen == in_flight or (granted := room.grant(one, now)) is None:
                break
            room.use(*granted)
            chosen += 1
        return chosen

    for free in (1, slots.total):
        times_s = [measured(f"choose {free} of {len(trials)}", lambda: choose(free))[1] for _ in range(5)]  # noqa: B023 - called at once
        middle_s = sorted(times_s)[2]
        require(middle_s < 1.0, f"median {middle_s:.2f} s for {free} free slot(s), under 1 s")


def idle_tick(campaign: Campaign, trials: tuple[Trial, ...], finished: int) -> tuple[float, int, int]:
    """CPU seconds and backend calls of a tick with full slots, by a new program; number of running sessions.

    Args:
        finished: Trials that are done before the first tick.
    """
    clock = FakeClock()
    world, kaggle = (
        World(clock=clock, slots=slots, weekly_s=None, speed=lambda lineage_id: SPEED)
        for slots in (campaign.slots.total, 7)
    )
    computer = Computer(world, campaign, trials, others={"kaggle": kaggle} if campaign.backend is None else None)
    for trial in trials[:finished]:
        _finish(computer.ledger, trial)
    computer.tick()
    world.clock.sleep(3600)
    calls = world.calls + kaggle.calls
    _, spent_s = measured(f"an idle tick, {finished} trials done", computer.tick)
    return spent_s, world.calls + kaggle.calls - calls, len([*world.alive(), *kaggle.alive()])


def _finish(ledger: SqliteLedger, trial: Trial) -> None:
    """Record the events of a trial that took four sessions."""
    run, steps = f"run-{trial.lineage_id[:12]}", trial.target_steps

    def record(kind: EventKind, key: str | None = None, **body: object) -> None:
        ledger.record(Event(kind=kind, at="2026-01-01T00:00:00+00:00", run_id=run, session=key, body=body))

    ticket = {"spec": {"deadline_s": 32400.0}, "bundle_digest": "b" * 64}
    sizes = {"target_steps": steps, "steps_start": 0, "steps_done": 0}
    whose = {"lineage_id": trial.lineage_id, "backend": "local"}
    record(EventKind.RUN_STARTED, section=trial.card.section, profile="full", **whose, **sizes)
    for number in range(1, 5):
        key = f"{run}/s{number:02d}a1"
        record(
            EventKind.SESSION_PLANNED,
            key,
            **whose,
            session=number,
            attempt=1,
            slug=key.replace("/", "-"),
            nonce="n",
            ticket=ticket,
        )
        record(EventKind.SESSION_CLOSED, key, restored=[], models_steps=steps * number // 4, wall_s=31_600.0)
    record(EventKind.RUN_ENDED, end_reason="finished", verdict="supported", steps_done=steps)


def ledger_costs(path: Path, sizes: Sequence[int], block: int) -> list[float]:
    """CPU microseconds per event of the last `block` events before the ledger reaches each of the sizes, in order."""
    ledger, costs, number = SqliteLedger(path), list[float](), 0
    for size in sizes:
        while number < size:
            if number == size - block:
                began_s = time.process_time()
            number += 10
            _ten_events(ledger, f"run-{number}")
        costs.append((time.process_time() - began_s) / block * 1e6)
    ledger.close()
    return costs


def _ten_events(ledger: SqliteLedger, run: str) -> None:
    def record(kind: EventKind, key: str | None = None, **body: object) -> None:
        ledger.record(Event(kind=kind, at="2026-01-01T00:00:00+00:00", run_id=run, session=key, body=body))

    key, ticket = f"{run}/s01a1", {"spec": {"deadline_s": 1.0}, "bundle_digest": "b"}
    sizes = {"target_steps": 1, "steps_start": 0, "steps_done": 0}
    record(EventKind.RUN_STARTED, section="s", lineage_id=run, profile="full", backend="local", **sizes)
    for _ in range(4):
        record(EventKind.RUN_ENDED, end_reason="interrupted", verdict=None, steps_done=0)
    record(
        EventKind.SESSION_PLANNED,
        key,
        lineage_id=run,
        session=1,
        attempt=1,
        slug=run,
        backend="local",
        nonce="n",
        ticket=ticket,
    )
    record(EventKind.SESSION_SUBMITTED, key, handle=f"local://local/{run}")
    record(EventKind.SESSION_ENDED, key, native="exit 0", exit_code=0, reason=None)
    record(EventKind.SESSION_FETCHED, key, results_dir="r", missing=[])
    record(EventKind.SESSION_CLOSED, key, restored=[], models_steps=1)


def main() -> int:
    text = campaign_text(TRIALS // 100)
    print(f"Planning {TRIALS} trials")
    (campaign, trials, sessions), spent_s = measured("file to forecast", lambda: plan(text))
    require(sessions == 4 * TRIALS and spent_s < 1.0, f"{sessions} sessions planned in under 1 s")
    print("Planning as many in sessions that are nearly too short")
    (_, _, sessions), spent_s = measured("file to forecast", lambda: plan(short_text(TRIALS // 100)))
    require(sessions == 216 * TRIALS and spent_s < 5.0, f"{sessions} sessions planned in under 5 s")
    print("An idle tick over them")
    for finished in (0, TRIALS - 200):
        spent_s, calls, live = idle_tick(campaign, trials, finished)
        require(calls <= live and spent_s < 1.0, f"{calls} calls for {live} running sessions, in under 1 s")
    print(f"{TRIALS} trials over 500 slots on three backends")
    campaign, trials = over_three_backends(TRIALS // 100)
    choosing(campaign, trials)
    spent_s, calls, live = idle_tick(campaign, trials, 0)
    require(live == 500 and calls <= live and spent_s < 2.0, f"{calls} calls for {live} running sessions, in under 2 s")
    print("A thousand trials to the end")
    campaign, trials, _ = plan(campaign_text(10))
    simulate(campaign, trials)
    print("Ten random campaigns to the end")
    for number in range(10):
        campaign = parse_campaign(generated_text(number), "any.yaml")
        simulate(campaign, expand(campaign, card_reader(PROJECT_ROOT / "configs" / "sections")))
    print("The ledger on a disk, up to a million events")
    with tempfile.TemporaryDirectory() as folder:
        costs = ledger_costs(Path(folder) / "ledger.sqlite", (10_000, 100_000, 1_000_000), 10_000)
    shown = " ".join(f"{cost:.0f}" for cost in costs)
    require(
        max(costs) <= 1.5 * costs[0], f"microseconds an event at 10^4, 10^5 and 10^6 events: {shown}, at most 1.5 x"
    )
    return 1 if _missed else 0


if __name__ == "__main__":
    sys.exit(main())
