"""How exact a resume would be, and why. One table for the orchestrator and the kernel, so that they cannot disagree.

The orchestrator grades before it pushes a session, from the card and the lineage. The kernel grades again before it
loads the checkpoint, from the model that it built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EXACT, STATISTICAL, WEIGHTS_ONLY, REFUSE = "exact", "statistical", "weights-only", "refuse"
GRADES = (EXACT, STATISTICAL, WEIGHTS_ONLY, REFUSE)
"""Best first. `exact`: the same training, bit for bit. `statistical`: the same training, with other rounding.
`weights-only`: a new training that may start from these weights. `refuse`: the weights do not fit."""

_OF_KEY: Mapping[str, str] = {
    "section": REFUSE,
    "algorithm": REFUSE,
    "network": REFUSE,
    "model": REFUSE,
    "observation_space": REFUSE,
    "action_space": REFUSE,
    "hyper_parameters": WEIGHTS_ONLY,
    "arguments": WEIGHTS_ONLY,
    "environment": WEIGHTS_ONLY,
    "own": WEIGHTS_ONLY,
    "seed": WEIGHTS_ONLY,
    "lineage_id": WEIGHTS_ONLY,
    "horizon_steps": STATISTICAL,
    "versions": STATISTICAL,
    "device_class": STATISTICAL,
    "code_digest": STATISTICAL,
    "lost_state": STATISTICAL,
}
"""Best grade that is left when a key of the identity differs; keys that are not listed are not compared."""

_SHAPING_POLICY = (
    *("net_arch", "n_quantiles", "n_critics", "full_std", "batch_norm", "with_bias", "features_extractor_class"),
    *("share_features_extractor", "lstm_hidden_size", "n_lstm_layers", "shared_lstm", "enable_critic_lstm"),
)
_SHAPING = ("n_quantiles", "policy", "use_sde", *(f"policy_kwargs.{name}" for name in _SHAPING_POLICY))
"""Hyper-parameters that determine the number of weights, with all keys below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference between a checkpoint's identity and a training's.

    Attributes:
        path: Key in the identity; nested keys are joined with dots.
        grade: Best grade that this difference leaves.
    """

    path: str
    checkpoint: Any
    current: Any
    grade: str

    def __str__(self) -> str:
        return f"{self.path}: checkpoint={self.checkpoint}, current={self.current}"


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every difference that matters, in the order of the table.

    Args:
        saved: Identity in a checkpoint's card.
        current: Identity of the training that would continue it. Only its keys, and only the `versions` that it
            names, are compared. A key that the card lacks counts as a difference.
    """
    saved = {"own": {}, **saved}  # a section's own keys; left out if there are none
    return tuple(found for key in _OF_KEY if key in current for found in _of(key, saved.get(key), current[key]))


def _of(key: str, was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        before, after = flat(was), flat(now)
        names = sorted(after if key == "versions" else before.keys() | after.keys())
        for name in names:
            if before.get(name) != after.get(name):
                yield _difference(key, f"{key}.{name}", before.get(name), after.get(name))
    elif was != now:
        yield _difference(key, key, was, now)


def _difference(key: str, path: str, was: Any, now: Any) -> Difference:
    shapes = any(f"{path}.".startswith(f"hyper_parameters.{one}.") for one in _SHAPING)
    grade = REFUSE if shapes else _OF_KEY[key]
    return Difference(path=path, checkpoint=was, current=now, grade=grade)


def flat(block: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping; keys are joined with dots."""
    joined: dict[str, Any] = {}
    for key, value in block.items():
        joined |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return joined


def worst(grades: Sequence[str]) -> str:
    """The least exact of these grades; `exact` if there are none."""
    return max(grades, key=GRADES.index, default=EXACT)


def is_below(grade: str, floor: str) -> bool:
    """Whether `grade` is less exact than `floor`."""
    return GRADES.index(grade) > GRADES.index(floor)
