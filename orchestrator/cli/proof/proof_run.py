"""The three trainings of `prove`, straight, straight again and cut, and their comparison."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.proof.comparison import Comparison, compare, not_reproducible, reproducible
from orchestrator.core.proof.cuts import checked_cuts, draw_cuts, trace_steps
from orchestrator.core.proof.ends import TrainingEnd

HASH_SEEDS = {"straight": 1, "again": 2, "control": 1, "cut": 3}
"""Values of PYTHONHASHSEED: sets and hashes have another order in each training, except in the control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """How a training is to be cut.

    Attributes:
        cuts: How many.
        at: Steps that the user named; empty to draw them.
        seed: Of the draw.
        kills: How many of the cuts are a kill -9 instead of a clean stop; None for all.
        steps: Target of the training, None for its own.
    """

    cuts: int
    at: tuple[int, ...]
    seed: int
    kills: int | None
    steps: int | None

    def plan(self, straight: TrainingEnd) -> tuple[int, ...]:
        """The steps at which to cut.

        Raises:
            BadInput: The training is too short for them.
        """
        if self.at:
            return checked_cuts(self.at, straight.steps)
        draw = random.Random(self.seed).randrange
        return draw_cuts(draw, cuts=self.cuts, steps=straight.steps, pass_steps=straight.pass_steps)

    def killed(self, planned: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the planned cuts that are a kill -9, drawn with the same seed."""
        count = len(planned) if self.kills is None else min(self.kills, len(planned))
        return tuple(sorted(random.Random(self.seed).sample(planned, count)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """A finished proof.

    Attributes:
        cuts: Steps at which the training was really cut.
        kills: How many of the planned cuts were a kill -9.
    """

    comparison: Comparison
    straight: TrainingEnd
    cuts: tuple[int, ...]
    kills: int = 0


class Trainings(Protocol):
    """Trains a script or a section, each time from step 0 in a fresh folder."""

    def straight(self, name: str, trace: tuple[int, ...]) -> TrainingEnd:
        """Train to the end in one process, and record digests at these steps."""
        ...

    def cut(self, planned: tuple[int, ...], trace: tuple[int, ...]) -> tuple[TrainingEnd, tuple[int, ...]]:
        """Train to the end in several processes; returns also the steps at which each but the last one ended."""
        ...


def run_proof(
    trainings: Trainings, request: CutRequest, *, assigned: frozenset[str], say: Callable[[str], None]
) -> ProofResult:
    """Train and compare.

    Args:
        trainings: What is trained.
        request: How to cut it.
        assigned: Kept names to which the code assigns in its loop.
        say: Prints a line.

    Raises:
        BadInput: It opens no session, or its training cannot be cut like this.
        RunFailed: A training failed.
    """
    say("1 of 3: straight")
    began_s = time.monotonic()
    straight = trainings.straight("straight", trace_steps())
    planned = request.plan(straight)
    took_s = time.monotonic() - began_s
    say(f"  {straight.steps} steps in {took_s:.0f} s; the rest takes about {2 * took_s:.0f} s")
    say("2 of 3: straight again, with another order of sets")
    again = trainings.straight("again", trace_steps(planned))
    if not reproducible(straight, again):
        say("They differ. Once more, with the first one's order of sets, to find the cause")
        control = trainings.straight("control", trace_steps())
        found = not_reproducible(straight, again, hash_order=reproducible(straight, control))
        return ProofResult(comparison=found, straight=straight, cuts=())
    say(f"3 of 3: cut by {_ways(planned, request.killed(planned))} steps")
    cut, cuts = trainings.cut(planned, trace_steps(planned))
    if len(cuts) < len(planned):
        say(f"  It was cut {len(cuts)} time(s) only: some cuts lay between the same two boundaries")
    comparison = compare(straight, again, cut, cuts=cuts, assigned=assigned)
    kills = len(request.killed(planned))
    return ProofResult(comparison=comparison, straight=straight, cuts=cuts, kills=kills)


def _ways(planned: tuple[int, ...], killed: tuple[int, ...]) -> str:
    """How and where a training is cut."""
    ways = {"a clean stop": [cut for cut in planned if cut not in killed], "kill -9 after a save": killed}
    return " and by ".join(f"{way} at {', '.join(map(str, cuts))}" for way, cuts in ways.items() if cuts)
