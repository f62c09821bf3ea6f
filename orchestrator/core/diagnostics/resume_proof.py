"""The proof that a chain of sessions equals one long session: where it is cut, and how the ends compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import MOST_STEPS

STRAIGHT, CHAIN = "straight", "chain"
_LEAST_STEPS = 10_000
_ROLLOUTS_PER_SESSION = 3
MOST_CUTS = 1_000
_SAVES = 20
"""Periodic saves over the whole proof, at most one per rollout; after the kill, training continues from the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPlan:
    """Where the chain is cut. Steps are absolute.

    Attributes:
        target_steps: Where every training of the proof ends.
        orderly: Steps at which a session ends normally, with a save.
        kill_session: Number of the session that is ended by kill -9.
        kill_at_steps: Steps at which it is killed, inside a rollout.
        save_every_steps: Steps between saves within the chain's sessions.
    """

    target_steps: int
    orderly: tuple[int, ...]
    kill_session: int
    kill_at_steps: int
    save_every_steps: int

    @property
    def sessions(self) -> int:
        """Number of sessions in the chain."""
        return len(self.orderly) + 2


def default_steps(rollout_steps: int, cuts: int) -> int:
    """Steps for so many cuts: some rollouts in each session, at least 10,000 steps."""
    wanted = max(_LEAST_STEPS, _ROLLOUTS_PER_SESSION * (cuts + 1) * rollout_steps)
    return -(-wanted // rollout_steps) * rollout_steps


def draw_cuts(
    draw: Callable[[int, int], int], *, cuts: int, target_steps: int, rollout_steps: int, n_envs: int
) -> CutPlan:
    """Draw where a chain is cut: all but one cut at a rollout's end, one by kill -9 inside a rollout.

    Args:
        draw: `draw(low, high)` returns a uniform integer in [low, high).
        cuts: How many, 1 or more; they make `cuts + 1` sessions.
        target_steps: A multiple of `rollout_steps`.
        rollout_steps: Steps between two safe boundaries.
        n_envs: Environments stepped together; steps are counted over all of them.

    Raises:
        BadInput: The training is too short for so many cuts.
    """
    rollouts = target_steps // rollout_steps
    if cuts > MOST_CUTS:
        raise BadInput(f"--cuts {cuts} is too many: each is a session of its own", remedy=f"Give at most {MOST_CUTS}.")
    if target_steps > MOST_STEPS:
        raise BadInput(f"--steps must not exceed {MOST_STEPS}, not {target_steps}", remedy="Give a smaller number.")
    if cuts < 1 or rollouts * rollout_steps != target_steps or rollouts <= cuts:
        raise BadInput(
            f"{target_steps} steps in rollouts of {rollout_steps} cannot be cut {cuts} time(s)",
            remedy=f"Give --cuts 1 or more, and --steps as a multiple of {rollout_steps} with more rollouts than cuts.",
        )
    places: set[int] = set()
    while len(places) < cuts:
        places.add(draw(1, rollouts))
    at = sorted(place * rollout_steps for place in places)
    index = draw(0, cuts)
    return CutPlan(
        target_steps=target_steps,
        orderly=tuple(at[:index] + at[index + 1 :]),
        kill_session=index + 1,
        # The kill comes after actions are chosen and before they are executed: even at offset 0 a step is half done.
        kill_at_steps=at[index] + draw(0, rollout_steps // n_envs) * n_envs,
        save_every_steps=max(1, rollouts // _SAVES) * rollout_steps,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The final state of one training.

    Attributes:
        items: Part of the state -> hex sha256.
        weights: The policy's parameters.
    """

    name: str
    steps: int
    items: Mapping[str, str]
    weights: Sequence[float]


class Finding(StrEnum):
    """The result of a proof."""

    EQUAL = "equal"
    DIFFERENT = "different"
    CANNOT_TELL = "cannot-tell"
    """The chain ended exactly as the straight training, but so did a control that must not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One algorithm's proof.

    Attributes:
        went_on_from: Steps of the checkpoint that the session after the kill started from; 0 without one.
        controls: Ends of trainings that were resumed without the full state.
        faults: What was wrong with the straight training or the chain, one sentence each.
        grades: Resume grade of each session of the chain that resumed.
    """

    algorithm: str
    plan: CutPlan
    straight: End
    chain: End
    controls: tuple[End, ...]
    sessions: int
    went_on_from: int
    grades: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """Parts of the state in which the chain differs from the straight training."""
        return differing(self.straight, self.chain)

    @property
    def finding(self) -> Finding:
        """Equal only if every part is equal, there is no fault, and every control ended with another policy."""
        if self.differing or self.faults:
            return Finding.DIFFERENT
        blind = [control for control in self.controls if control.items["policy"] == self.straight.items["policy"]]
        return Finding.CANNOT_TELL if blind or not self.controls else Finding.EQUAL

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "algorithm": self.algorithm,
            "finding": self.finding.value,
            "differing": list(self.differing),
            "faults": list(self.faults),
            "target_steps": self.plan.target_steps,
            "orderly_cuts": list(self.plan.orderly),
            "kill_at_steps": self.plan.kill_at_steps,
            "went_on_from": self.went_on_from,
            "sessions": self.sessions,
            "grades": list(self.grades),
            "ends": [
                {
                    "name": end.name,
                    "steps": end.steps,
                    "items": dict(end.items),
                    "max_abs_dw": max_abs_difference(self.straight.weights, end.weights),
                }
                for end in (self.straight, self.chain, *self.controls)
            ],
        }


def differing(one: End, other: End) -> tuple[str, ...]:
    """Parts in which two ends differ, the step count included."""
    names = [name for name in sorted({*one.items, *other.items}) if one.items.get(name) != other.items.get(name)]
    return tuple(names + (["steps"] if one.steps != other.steps else []))


def max_abs_difference(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The largest difference between corresponding parameters; None for different networks.

    A NaN gives infinity.
    """
    if len(one) != len(other):
        return None
    gaps = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return float("inf") if any(gap != gap for gap in gaps) else max(gaps, default=0.0)


def table(proof: Proof) -> tuple[str, ...]:
    """The ends side by side: a line per part, with the first eight digits of each digest and whether it is equal."""
    ends = (proof.straight, proof.chain, *proof.controls)
    rows = [["", proof.straight.name, *(end.name for end in ends[1:])]]
    for name in _order(proof.straight.items):
        rows.append([name, *(_cell(proof.straight, end, name) for end in ends)])
    gaps = [max_abs_difference(proof.straight.weights, end.weights) for end in ends]
    rows.append(["max |dw|", *("other network" if gap is None else f"{gap:.3g}" for gap in gaps)])
    rows.append(["steps", *(str(end.steps) for end in ends)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


_FIRST = ("policy", "optimizer", "replay_buffer", "reward_sequence", "environment")


def _order(items: Mapping[str, str]) -> list[str]:
    return [name for name in _FIRST if name in items] + sorted(set(items) - set(_FIRST))


def _cell(straight: End, end: End, name: str) -> str:
    digest = end.items.get(name, "none")[:8]
    if end is straight:
        return digest
    return f"{digest} {'equal' if end.items.get(name) == straight.items[name] else 'different'}"
