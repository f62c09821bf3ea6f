"""Hides a secret that is spread over several texts of a list, such as the lines of a private key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

HIDDEN = "[hidden: part of the secret above]"


def hide_spread(items: Sequence[Any], mask: Callable[[str], str]) -> list[Any]:
    """The items of a list without what their lines together show; what one of them shows may stay, to be masked singly.

    Args:
        items: Any plain values; others than texts stay, and do not interrupt a secret.
        mask: Masks one text of any number of lines.
    """
    lines = [(place, line) for place, one in enumerate(items) if isinstance(one, str) for line in one.split("\n")]
    joined = "\n".join(line for _, line in lines)
    shown = mask(joined)
    if shown == joined:
        return list(items)
    kept: dict[int, list[str]] = {place: [] for place, _ in lines}
    after = shown.split("\n")
    changes = SequenceMatcher(None, [line for _, line in lines], after, autojunk=False).get_opcodes()
    for kind, first, end, first_after, end_after in changes:
        if kind == "equal":
            for place, line in lines[first:end]:
                kept[place].append(line)
            continue
        touched = list(dict.fromkeys(place for place, _ in lines[first:end])) or [lines[max(first - 1, 0)][0]]
        kept[touched[0]] += after[first_after:end_after]
        for place in touched[1:]:
            kept[place].append(HIDDEN)
    return ["\n".join(kept[place]) if place in kept else one for place, one in enumerate(items)]
