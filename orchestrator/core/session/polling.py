"""How long to wait between two looks: short pauses at first, then longer ones, within the backend's limits."""

from __future__ import annotations

_GROWTH = 1.5


def pause_s(looks_since_change: int, look_every_s: tuple[float, float]) -> float:
    """Seconds until the next look.

    Args:
        looks_since_change: Number of looks since the last change.
        look_every_s: Shortest and longest pause.
    """
    shortest_s, longest_s = look_every_s
    # The exponent is bounded so that a session of days cannot overflow a float.
    return float(min(longest_s, shortest_s * _GROWTH ** min(looks_since_change, 64)))
