"""The algorithms that a card can name: one line each, with the state that only it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Learns(StrEnum):
    """What an algorithm learns from; decides which sections the state file of its trainings has."""

    ROLLOUTS = "rollouts"
    """The latest rollout."""
    REPLAY = "replay"
    """A replay buffer."""
    CANDIDATES = "candidates"
    """Whole episodes of perturbed policies."""


_EVERY = (
    *("counters", "schedules", "last", "episode_statistics", "layers", "environment"),
    *("action_space_rng", "python_rng", "numpy_rng", "torch_rng"),
)
_SECTIONS: Mapping[Learns, tuple[str, ...]] = {
    Learns.ROLLOUTS: (*_EVERY, "exploration_matrices"),
    Learns.REPLAY: (*_EVERY, "exploration_matrices", "replay_buffer", "other_replay_buffer", "action_noise"),
    Learns.CANDIDATES: _EVERY,
}
"""Sections of the state file that a training can have, beside weights, optimizers and learned variables in the zip."""


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
    def sections(self) -> tuple[str, ...]:
        """Sections of the state file that its trainings can have; one without e.g. gSDE lacks that section."""
        return (*_SECTIONS[self.learns], *(("own_attributes",) if self.own else ()))

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
    "ARS": Algorithm(_CONTRIB, Learns.CANDIDATES, own=("weights",)),
}
"""Name of an algorithm, and of its class."""
