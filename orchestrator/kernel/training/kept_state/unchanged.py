"""Names the parts that are still as at the start: `w = w + 1` makes a value that is not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

_SAVES_UNCHANGED = 3
"""Saves after which an array or a container that has not changed is named."""

Parts = Mapping[str, tuple[str, bool]]
"""Digest of each part, and whether such a value cannot change in place."""


class UnchangedParts:
    """Names unchanged parts at the saves of a session.

    A number or a text is named at the first save. An array or a list that is filled in place may be unchanged for good
    reasons; it is named at a later one.

    Args:
        at_start: The parts before the first step.
    """

    def __init__(self, at_start: Parts) -> None:
        self._at_start, self._saves = at_start, 0

    def name(self, now: Callable[[], Parts], say: Callable[[str], object]) -> None:
        """Name them once.

        Args:
            now: Returns the parts at this save; it is called only if it is needed.
            say: Writes a line to the log.
        """
        self._saves += 1
        if not self._at_start or self._saves not in (1, _SAVES_UNCHANGED):
            return
        parts = now()
        for name, (digest, constant) in self._at_start.items():
            if constant is (self._saves == 1) and parts.get(name) == (digest, constant):
                say(
                    f"[CHECKPOINT] The part {name!r} has not changed yet. If the script assigns a new value to a "
                    f"variable, assign it to the attribute {name!r} of what keep() returned."
                )
        if self._saves == _SAVES_UNCHANGED:
            self._at_start = {}
