"""The algorithms that a card can name: one line each, with the state that only it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Learns(StrEnum):
    """What an algorithm learns from; decides which parts its state has.

    Every training keeps: policy, optimizers and learned variables (the zip), step and update counters, newest
    observations, episode statistics, environment and layers, and the generators of Python, numpy, torch and of the
    action space.
    """

    ROLLOUTS = "rollouts"
    """The latest rollout. Adds the matrices of gSDE."""
    REPLAY = "replay"
    """A replay buffer. Adds the buffer, the action noise, the newest raw observation, and the matrices of gSDE."""
    CANDIDATES = "candidates"
    """Whole episodes of perturbed policies. Adds nothing."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm of stable-baselines3 or sb3-contrib.

    Attributes:
        library: Module that has it.
        learns: What it learns from.
        own: Attributes of the library's object that are state, and that no other algorithm has.
        only_box: Whether it takes continuous actions alone.
    """

    library: str
    learns: Learns
    own: tuple[str, ...] = ()
    only_box: bool = False

    @property
    def has_replay(self) -> bool:
        """Whether it has a replay buffer."""
        return self.learns is Learns.REPLAY


_SB3, _CONTRIB = "stable_baselines3", "sb3_contrib"

REGISTRY: Mapping[str, Algorithm] = {
    "DQN": Algorithm(_SB3, Learns.REPLAY),
    "QRDQN": Algorithm(_CONTRIB, Learns.REPLAY),
    "PPO": Algorithm(_SB3, Learns.ROLLOUTS),
    "A2C": Algorithm(_SB3, Learns.ROLLOUTS),
    "SAC": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "TD3": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "DDPG": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "TQC": Algorithm(_CONTRIB, Learns.REPLAY, only_box=True),
    "CrossQ": Algorithm(_CONTRIB, Learns.REPLAY, only_box=True),
    "TRPO": Algorithm(_CONTRIB, Learns.ROLLOUTS),
    "RecurrentPPO": Algorithm(_CONTRIB, Learns.ROLLOUTS, own=("_last_lstm_states",)),
    "MaskablePPO": Algorithm(_CONTRIB, Learns.ROLLOUTS),
    "ARS": Algorithm(_CONTRIB, Learns.CANDIDATES, own=("weights", "old_count")),
}
"""Name of an algorithm, and of its class."""
