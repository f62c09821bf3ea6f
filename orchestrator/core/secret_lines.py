"""Hides a secret that is spread over several texts of a list, such as the lines of a private key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

HIDDEN = "[hidden: part of the secret above]"
_BLOCK_LINES = 100
_Line = tuple[int, str]
"""Place of an item, and one line of it."""


def hide_spread(items: Sequence[Any], mask: Callable[[str], str]) -> list[Any]:
    """The items of a list without what their lines together show; what one of them shows may stay, to be masked singly.

    Args:
        items: Any plain values; others than texts stay, and do not interrupt a secret.
        mask: Masks one text of any number of lines.
    """
    lines = [(place, line) for place, one in enumerate(items) if isinstance(one, str) for line in one.split("\n")]
    joined = _text(lines)
    if mask(joined) == joined:
        return list(items)
    kept: dict[int, list[str]] = {place: [] for place, _ in lines}
    for block in _blocks(lines, mask):
        _keep(block, mask(_text(block)).split("\n"), kept)
    return ["\n".join(kept[place]) if place in kept else one for place, one in enumerate(items)]


def _blocks(lines: Sequence[_Line], mask: Callable[[str], str]) -> Iterator[Sequence[_Line]]:
    """The lines in blocks between which no secret lies: the time to compare a block grows with the cube of its size."""
    start = 0
    while start < len(lines):
        end, step = start + _BLOCK_LINES, 7
        while end < len(lines) and not _are_apart(lines[start:end], lines[end : end + _BLOCK_LINES], mask):
            end, step = end + step, 2 * step
        yield lines[start:end]
        start = end


def _are_apart(before: Sequence[_Line], behind: Sequence[_Line], mask: Callable[[str], str]) -> bool:
    return mask(_text([*before, *behind])) == f"{mask(_text(before))}\n{mask(_text(behind))}"


def _text(lines: Sequence[_Line]) -> str:
    return "\n".join(line for _, line in lines)


def _keep(lines: Sequence[_Line], after: Sequence[str], kept: dict[int, list[str]]) -> None:
    """Add to the lines of each item what a mask has left of them.

    Args:
        after: The lines of all items together, masked.
    """
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
