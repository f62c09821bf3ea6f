"""RL Zoo's forms in an algorithm's block of a card, translated into the card's own words.

Keys that a card has in the same form stay as they are, and so do keys that it cannot have, such as `callback`: the
card's own check names them. Each key is translated for itself, so a block may mix both forms. Numbers and switches of
YAML 1.1, such as `1_000_000`, are read only in a whole entry, which has `n_timesteps`: cards are YAML 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.zoo import values
from orchestrator.core.zoo.algorithms import NOISE, Algorithm
from orchestrator.core.zoo.arguments import read_argument
from orchestrator.core.zoo.classes import ClassName
from orchestrator.core.zoo.entry import ClassCall, Linear, Path
from orchestrator.kernel.algorithms.policies import ACTIVATIONS, OPTIMIZERS

STEPS = "n_timesteps"
"""Steps of the whole training: in a card, `target_steps` of the profile `full`."""

_OPTIMIZER_WORDS = {path: word for word, path in OPTIMIZERS.items()}
# Source: the defaults of stable-baselines3's OrnsteinUhlenbeckActionNoise, which RL Zoo leaves.
_THETA, _DT = 0.15, 0.01


@dataclass(slots=True)
class CardBlock:
    """An algorithm's block in the card's words.

    Attributes:
        plain: The block, without `n_timesteps`.
        n_timesteps: Steps of the whole training, None if the block does not give them.
        faults: Place in the block -> why it is not understood.
    """

    plain: dict[str, Any]
    n_timesteps: int | None = None
    faults: dict[Path, str] = field(default_factory=dict)


def in_words_of_card(plain: Mapping[str, Any], algorithm: Algorithm) -> CardBlock:
    """Translate a block.

    Args:
        plain: The block as YAML.
        algorithm: Whose block it is.
    """
    block = CardBlock(plain={})
    for key, value in plain.items():
        if key == STEPS:
            block.n_timesteps = _translated(block, key, value, values.count)
        elif key in NOISE and "action_noise" in algorithm.constructor.arguments:
            continue
        else:
            block.plain[key] = _translated(block, key, value, _reader(key, algorithm, plain))
    _add_noise(block, plain, algorithm)
    return block


def _translated(block: CardBlock, key: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return None if value is None else read(value)
    except ValueError as fault:
        block.faults[(key,)] = str(fault)
        return None


def _reader(key: str, algorithm: Algorithm, plain: Mapping[str, Any]) -> Callable[[Any], Any]:
    """What translates the value of a key; values that a card has in the same form are left to the card's check."""
    if key == "normalize":
        return lambda value: values.mapping(value) if isinstance(value, str) else (True if value == {} else value)
    scalar = values.plain_value if STEPS in plain else _as_it_is
    if key in ("n_envs", "frame_stack"):
        return scalar
    argument = algorithm.constructor.arguments.get(key)
    if argument is None:
        return _as_it_is
    if "mapping" in argument.types:
        policy = plain.get("policy")
        name = policy if isinstance(policy, str) else None
        return lambda value: (
            _words(read_argument(key, value, algorithm, policy=name)) if _is_zoo_mapping(value) else value
        )
    if "class" in argument.types:
        return lambda value: _word("", read_argument(key, value, algorithm))
    if "frequency" in argument.types:
        return lambda value: _words(values.train_freq(value)) if isinstance(value, str) else value
    if "schedule" in argument.types:
        return lambda value: _rate(value) if isinstance(value, str) and STEPS in plain else value
    return scalar


def _as_it_is(value: Any) -> Any:
    return value


def _is_zoo_mapping(value: Any) -> bool:
    """Whether a mapping is a text of Python, or has classes in the words of torch."""
    return isinstance(value, str) or (
        isinstance(value, dict)
        and any(name.endswith("_class") or name == "activation_fn" for name in value)
        and any(isinstance(one, str) and "." in one for one in value.values())
    )


def _rate(text: str) -> Any:
    found = values.schedule(text)
    if not isinstance(found, Linear):
        return found
    return f"lin_{text.strip().partition('_')[2]}"


def _words(value: Any) -> Any:
    """A value as a card holds it: lists for tuples, words for classes."""
    if isinstance(value, dict):
        return {name: _word(name, one) for name, one in value.items()}
    return [_words(one) for one in value] if isinstance(value, list | tuple) else value


def _word(name: str, value: Any) -> Any:
    if isinstance(value, ClassCall):
        return value.path
    if not isinstance(value, ClassName):
        return _words(value)
    if name == "activation_fn":
        if ACTIVATIONS.get(value.word) != value.name:
            raise ValueError(f"a card has no word for the activation {value.path}; known are {', '.join(ACTIVATIONS)}")
        return value.word
    return value.word if value.word.endswith("Buffer") else _OPTIMIZER_WORDS.get(value.path, value.path)


def _add_noise(block: CardBlock, plain: Mapping[str, Any], algorithm: Algorithm) -> None:
    """The key `action_noise` for `noise_type` and `noise_std`."""
    given = [key for key in NOISE if plain.get(key) is not None]
    if not given or "action_noise" not in algorithm.constructor.arguments:
        return
    if plain.get("action_noise") is not None:
        block.faults[(given[0],)] = "action_noise gives the same value; give one of them"
        return
    for key, other in (NOISE, NOISE[::-1]):
        if other not in given:
            block.faults[(key,)] = f"it needs {other}"
            return
    kind = _translated(block, NOISE[0], plain[NOISE[0]], values.noise_kind)
    sigma = _translated(block, NOISE[1], plain[NOISE[1]], values.number)
    more = {"theta": _THETA, "dt": _DT} if kind == "ornstein_uhlenbeck" else {}
    block.plain["action_noise"] = {"kind": kind, "sigma": sigma, **more}
