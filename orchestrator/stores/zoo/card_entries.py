"""Entries of RL Zoo in a section's card: `algorithms` may hold them as they are.

`algorithms` may be one entry, of the card's `algorithm`; or a block for each algorithm, under its own name or that of
its file in RL Zoo. `n_timesteps` becomes `target_steps` of the profile `full`; if both are given, they must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.zoo.algorithms import ALGORITHMS, Algorithm, algorithm_named
from orchestrator.core.zoo.card_block import STEPS, in_words_of_card
from orchestrator.kernel.algorithms.registry import is_in_words_of_card
from orchestrator.stores.yaml.document import Document, Fault, Path

_ALGORITHMS = {one.name: one for one in ALGORITHMS.values()}
_BLOCK, _FULL = "algorithms", ("profiles", "full", "target_steps")


def translated(document: Document) -> Document:
    """A card with RL Zoo's forms in the card's own words; unchanged if it has none.

    What is not understood becomes a fault of the document, at its line.
    """
    plain = document.plain
    if not isinstance(plain, dict) or not isinstance(plain.get(_BLOCK), dict):
        return document
    if plain.get("algorithm", "PPO") in _ALGORITHMS and is_in_words_of_card(plain[_BLOCK]):
        return document
    work = _Translation(plain, dict(document.lines))
    work.name_blocks()
    work.translate_blocks()
    return replace(document, plain=work.plain, lines=work.lines, faults=(*document.faults, *work.faults))


class _Translation:
    """The card that is being translated."""

    def __init__(self, plain: Mapping[str, Any], lines: dict[Path, int]) -> None:
        self.plain = dict(plain)
        self.lines = lines
        self.faults: list[Fault] = []

    def name_blocks(self) -> None:
        """Give each block the name of its algorithm's class."""
        if "algorithm" in self.plain:
            self.plain["algorithm"] = _class_name(self.plain["algorithm"])
        given = self.plain[_BLOCK]
        own = _ALGORITHMS.get(str(self.plain.get("algorithm")))
        if own is not None and _is_entry(given, own):
            self._move((_BLOCK,), (_BLOCK, own.name))
            self.plain[_BLOCK] = {own.name: given}
            return
        named: dict[str, Any] = {}
        for key, block in given.items():
            name = _class_name(key)
            if name in named:
                self._fault((_BLOCK, name), f"it is declared twice, also as {key}")
                continue
            if name != key:
                self._move((_BLOCK, key), (_BLOCK, name))
            named[name] = block
        self.plain[_BLOCK] = named

    def translate_blocks(self) -> None:
        """Translate each block, and take the steps of the whole training from them."""
        blocks, steps = dict(self.plain[_BLOCK]), {}
        for name, block in blocks.items():
            if name not in _ALGORITHMS or not isinstance(block, dict):
                continue  # the card's own check names it
            found = in_words_of_card(block, _ALGORITHMS[name])
            blocks[name] = found.plain
            for path, text in found.faults.items():
                self._fault((_BLOCK, name, *path), text)
                blocks[name].setdefault(str(path[0]), None)
            if found.n_timesteps is not None:
                steps[name] = found.n_timesteps
        self.plain[_BLOCK] = blocks
        self._set_target(steps)

    def _set_target(self, steps: Mapping[str, int]) -> None:
        profiles = self.plain.get("profiles")
        full = profiles.get("full") if isinstance(profiles, dict) else None
        target = full.get("target_steps") if isinstance(full, dict) else None
        own = self.plain.get("algorithm")
        first = own if own in steps else next(iter(steps), None)
        if first is None or not isinstance(profiles, dict | None) or not isinstance(full, dict | None):
            return
        source = ".".join(_FULL) if target is not None else f"{STEPS} of {first}"
        target = steps[first] if target is None else target
        for name, count in steps.items():
            if count != target:
                remedy = "a section has one target: make them agree, or leave one out"
                self._fault((_BLOCK, name, STEPS), f"{count} steps, but {source} is {target}; {remedy}")
                self.plain[_BLOCK][name][STEPS] = None
        self.plain["profiles"] = {**(profiles or {}), "full": {**(full or {}), "target_steps": target}}

    def _move(self, old: Path, new: Path) -> None:
        """Lines of a block that gets another place."""
        moved = {path: line for path, line in self.lines.items() if path[: len(old)] == old}
        for path, line in moved.items():
            self.lines[(*new, *path[len(old) :])] = line

    def _fault(self, path: Path, text: str) -> None:
        line = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)
        self.faults.append(Fault(line=line, path=path, text=f"{'.'.join(map(str, path))}: {text}"))


def _class_name(word: Any) -> Any:
    """The class of an algorithm that is named as RL Zoo's file is, e.g. `ppo_lstm`; other words as they are."""
    found = ALGORITHMS.get(word) if isinstance(word, str) else None
    return word if found is None else found.name


def _is_entry(block: Mapping[str, Any], algorithm: Algorithm) -> bool:
    """Whether a block is an entry itself, not a block for each algorithm."""
    if any(algorithm_named(key) for key in block):
        return False
    return any(key in algorithm.arguments or key in (STEPS, "policy", "n_envs", "normalize") for key in block)
