"""Classes that the texts of an RL Zoo file may name: the only ones that are understood.

Source: the names that `rl_zoo3/exp_manager.py` imports for its texts, and what torch and stable-baselines3 offer there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassName:
    """A class of a library, by its name alone.

    Attributes:
        module: Where it is imported from.
        name: Its name there.
        word: Its short name in a section's card.
    """

    module: str
    name: str
    word: str

    @property
    def path(self) -> str:
        """Module and name, with a dot."""
        return f"{self.module}.{self.name}"


_ACTIVATIONS = (
    *("ReLU", "Tanh", "ELU", "LeakyReLU", "GELU", "SiLU", "SELU", "CELU", "Mish", "ReLU6", "PReLU", "RReLU"),
    *("Sigmoid", "LogSigmoid", "Softplus", "Softsign", "Hardswish", "Hardtanh", "Hardsigmoid", "Tanhshrink"),
    *("Identity",),
)
_OPTIMIZERS = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD", "ASGD", "Adagrad", "Adadelta", "Rprop")
_OF_SB3 = (
    ("stable_baselines3.common.sb2_compat.rmsprop_tf_like", "RMSpropTFLike"),
    ("stable_baselines3", "HerReplayBuffer"),
    ("stable_baselines3.common.buffers", "ReplayBuffer"),
    ("stable_baselines3.common.buffers", "DictReplayBuffer"),
    ("stable_baselines3.common.buffers", "NStepReplayBuffer"),
    ("stable_baselines3.common.buffers", "RolloutBuffer"),
    ("stable_baselines3.common.buffers", "DictRolloutBuffer"),
    ("stable_baselines3.common.torch_layers", "NatureCNN"),
    ("stable_baselines3.common.torch_layers", "CombinedExtractor"),
    ("stable_baselines3.common.torch_layers", "FlattenExtractor"),
)


def _word(name: str) -> str:
    """The name in small letters with underlines, as RL Zoo writes `relu` and `leaky_relu`."""
    return re.sub(r"(?<=[a-z]{2})(?=[A-Z])", "_", name).lower()


def _spellings() -> Iterator[tuple[str, ClassName]]:
    for name in _ACTIVATIONS:
        one = ClassName("torch.nn", name, _word(name))
        yield from ((f"{prefix}{name}", one) for prefix in ("nn.", "th.nn.", "torch.nn.", ""))
        yield one.word, one
    for name in _OPTIMIZERS:
        one = ClassName("torch.optim", name, _word(name))
        yield from ((f"{prefix}{name}", one) for prefix in ("optim.", "th.optim.", "torch.optim.", ""))
        yield one.word, one
    for module, name in _OF_SB3:
        one = ClassName(module, name, name)
        yield from ((name, one), (one.path, one))
    yield "stable_baselines3.her.her_replay_buffer.HerReplayBuffer", known_her()


def known_her() -> ClassName:
    """The replay buffer of hindsight experience replay."""
    return ClassName("stable_baselines3", "HerReplayBuffer", "HerReplayBuffer")


CLASSES: Mapping[str, ClassName] = dict(_spellings())
"""Spelling in a file -> class."""


def nearest_class(text: str) -> str:
    """The spelling that may be meant, empty without one."""
    near = difflib.get_close_matches(text, CLASSES, n=1)
    return near[0] if near else ""
