"""Names and colours of the controllers in the section's figures; the style is that of all sections."""

from __future__ import annotations

from validation_ch7.figures.style import BLUE, GREY, VERMILION
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY

_LABELS = {
    "rl": "learned policy",
    "fixed_time": "fixed time (tuned)",
    "webster": "Webster plan",
    "actuated": "actuated",
    "max_pressure": "max pressure",
    "longest_queue": "longest queue",
    "sotl": "self-organizing",
    "rollout": "rollout (knows the model)",
    "constant_ns": "always north-south",
    "constant_ew": "always east-west",
    "random": "random",
}


def label_of(controller: str) -> str:
    """A controller's label for readers; its own name if it has none."""
    return _LABELS.get(controller, controller)


def colour_of(controller: str, baseline: str) -> str:
    """Colour of a controller: the policy and the baseline stand out, all others are grey."""
    return {POLICY: BLUE, baseline: VERMILION}.get(controller, GREY)
