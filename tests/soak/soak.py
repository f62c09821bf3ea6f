"""The soak: a campaign on a virtual clock under random faults, and what must be true at its end."""

from __future__ import annotations

import os
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project
from orchestrator.wiring import models_directory
from tests.doubles.clock import FakeClock
from tests.soak.computer import EVERY_STEPS, Computer, Plan, Ticking
from tests.soak.killed import POSSIBLE, KillableTicks
from tests.soak.measures import Sample, sample
from tests.soak.service import Service
from tests.soak.training import policy

_KILLED_AT_WORK = 0.25
"""Share of killed ticks among those at which a session has just ended: the others have little to do."""
_MOST_STEPS = 600
_IDLE_TICKS = 20


@dataclass
class Soaked:
    """The result of a soak.

    Attributes:
        hours: Virtual hours.
        policies: Trial -> newest model and state in its models directory.
        wrongs: What is not as it must be, a sentence each.
    """

    hours: float
    service: Service
    policies: dict[str, bytes]
    samples: list[Sample]
    ticks: int
    kills: int
    wrongs: list[str] = field(default_factory=list)
    lasted_s: float = 0.0


@dataclass
class Soak:
    """One campaign.

    Attributes:
        hours: Least virtual hours; a campaign that is over earlier is ticked on.
        rate: Share of calls, sessions and ticks that meet a fault.
        sampled_every_h: Virtual hours between two measurements.
        every_s: Seconds between two ticks; None for those of `campaign run`.
        traced: Whether to trace the program's own memory, which takes twice the time.
    """

    root: Path
    plan: Plan
    hours: float
    seed: int
    rate: float
    sampled_every_h: float = 1.0
    every_s: float | None = None
    traced: bool = False
    say: Callable[[str], None] = lambda line: None

    def run(self) -> Soaked:
        """Run the campaign to its end, then compare."""
        began_s = time.monotonic()
        if self.traced:
            tracemalloc.start()
        project, temporary = self.plan.project(self.root / "project"), self.root / "temporary"
        temporary.mkdir()
        rng = random.Random(self.seed)
        service = Service(self.root / "service", FakeClock(), rng, self.rate, self.plan.quota_h * 3600.0)
        # No power is cut here, so nothing waits for the disk; SQLite still does.
        unsynced = patch.object(os, "fsync", lambda descriptor: None)
        with patch.object(tempfile, "tempdir", str(temporary)), unsynced, self._killable(project) as killable:
            computer = Computer(project, service, self.plan.campaign)
            with computer.running() as ticking:
                soaked = self._ticked(computer, ticking, killable, temporary)
        tracemalloc.stop()
        soaked.lasted_s = time.monotonic() - began_s
        return soaked

    @contextmanager
    def _killable(self, project: Project) -> Iterator[KillableTicks | None]:
        if not (POSSIBLE and self.rate):
            yield None
            return

        def tick(service: Service, act: Callable[[], None]) -> None:
            with Computer(project, service, self.plan.campaign, act).running() as ticking:
                ticking.tick()

        killable = KillableTicks(tick, self.root)
        try:
            yield killable
        finally:
            killable.close()

    def _ticked(self, computer: Computer, ticking: Ticking, killable: KillableTicks | None, temporary: Path) -> Soaked:
        service, clock = computer.service, computer.service.clock
        kills = ticks = 0
        samples: list[Sample] = []
        over = False
        while not over or clock.slept_s < self.hours * 3600.0:
            if clock.slept_s / 3600.0 >= len(samples) * self.sampled_every_h:
                samples.append(sample(clock.slept_s / 3600.0, computer.project, temporary, len(service.kernels)))
                self.say(f"{clock.slept_s / 3600.0:5.1f} h: {len(service.kernels)} sessions, {ticks} ticks")
            if killable is not None and service.draws("killed tick", self._kill_rate(service)):
                kills += killable.tick(service, int(_MOST_STEPS ** service.rng.random()))
            over = ticking.tick().over
            ticks += 1
            clock.sleep(self.every_s or ticking.pause_s)
        policies, wrongs = self._compared(computer)
        wrongs += service.wrongs + _idle_growth(computer, ticking) + _other_sessions(computer)
        return Soaked(clock.slept_s / 3600.0, service, policies, samples, ticks, kills, wrongs)

    def _kill_rate(self, service: Service) -> float:
        ended = any(0 <= service.now_s - one.ends_s < 300.0 for one in service.kernels.values())
        return _KILLED_AT_WORK if ended else self.rate

    def _compared(self, computer: Computer) -> tuple[dict[str, bytes], list[str]]:
        """The final policies, and those that are not what an undisturbed training ends with."""
        found: dict[str, bytes] = {}
        wrongs = []
        ledger = SqliteLedger(computer.project.own / "ledger.sqlite")
        ends = {trial.lineage_id: _last_end(ledger, trial.lineage_id) for trial in computer.trials}
        ledger.close()
        for trial in computer.trials:
            models = models_directory(computer.project, trial.card)
            view = models.view()
            if view.latest is None or view.steps != self.plan.target_steps:
                steps = f"{view.steps} of {self.plan.target_steps} steps are in place"
                wrongs.append(f"{trial.label}: {steps}, {ends[trial.lineage_id]}")
                continue
            files = {
                suffix: view.root / CHECKPOINTS / f"{view.latest.stem}{suffix}"
                for suffix in (MODEL_SUFFIX, STATE_SUFFIX)
            }
            found[trial.lineage_id] = b"".join(path.read_bytes() for path in files.values())
            whole = policy(trial.card.seed, self.plan.target_steps, EVERY_STEPS)
            if found[trial.lineage_id] != whole + whole[::-1]:
                wrongs.append(f"{trial.label}: its policy is not that of an undisturbed training")
        return found, wrongs


def _last_end(ledger: SqliteLedger, lineage_id: str) -> str:
    """How the last session of a training ended, to explain what is wrong with it."""
    sessions = ledger.sessions(lineage_id)
    if not sessions:
        return "it had no session"
    last = sessions[-1]
    return (
        f"its last session {last.slug} is {last.stage.value}, {last.end_reason} at {last.steps_done} steps, left"
        f" {last.models_steps} steps in place; problems: {'; '.join(last.problems) or 'none'}"
    )


def _idle_growth(computer: Computer, ticking: Ticking) -> list[str]:
    """What ticks write after the campaign's end."""
    before = _written(computer.project)
    for _ in range(_IDLE_TICKS):
        ticking.tick()
        computer.service.clock.sleep(60.0)
    after = _written(computer.project)
    return [
        f"{name} grew from {before[name]} to {size} in idle ticks"
        for name, size in after.items()
        if size != before[name]
    ]


def _written(project: Project) -> dict[str, int]:
    ledger = SqliteLedger(project.own / "ledger.sqlite")
    events = len(ledger.events())
    ledger.close()
    return {"the ledger": events, "the number of files": sum(path.is_file() for path in project.state.rglob("*"))}


def _other_sessions(computer: Computer) -> list[str]:
    """Sessions that only one of ledger and service has."""
    ledger = SqliteLedger(computer.project.own / "ledger.sqlite")
    records: list[SessionRecord] = [one for one in ledger.sessions() if not one.never_submitted]
    rebuilt = ledger.rebuild()
    ledger.close()
    recorded, run = {one.nonce for one in records}, {one.nonce for one in computer.service.kernels.values()}
    wrongs = [f"{len(recorded - run)} recorded sessions were never run"] if recorded - run else []
    wrongs += [f"{len(run - recorded)} sessions were run and are not recorded"] if run - recorded else []
    return wrongs + ([] if rebuilt else ["the ledger's rows do not follow from its events"])
