"""The command that continues or repeats a training: it is stated only if it names exactly this training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.finished_trial import as_typed
from orchestrator.core.section.lineage import short
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import choose, load_card

_PROFILES = frozenset({"quick", "full"})


class Commands:
    """Finds commands, and reads each card once for all seeds of a variant.

    Args:
        project: Its cards are read.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[str, str | None] = {}

    def of(self, record: SessionRecord, target_steps: int | None) -> str:
        """The `run` command of a session's training; the command that shows it where no `run` would give the same.

        Args:
            target_steps: Where the training ends, None if its section decides.
        """
        lineage = record.ticket["spec"]["lineage"]
        key = f"{record.backend} {record.ticket['spec'].get('profile')} {target_steps} {_without_seed(lineage)}"
        if key not in self._known:
            self._known[key] = self._words(record, lineage, target_steps)
        words = self._known[key]
        if words is None:
            return f"python -m orchestrator why {short(record.lineage_id)}"
        seed = lineage.get("seed")
        return f"python -m orchestrator {words}" + ("" if seed is None else f" --seed {seed}")

    def _words(self, record: SessionRecord, lineage: Mapping[str, Any], target_steps: int | None) -> str | None:
        section, profile = str(record.ticket["spec"]["section"]), str(record.ticket["spec"].get("profile"))
        algorithm, seed = lineage.get("algorithm"), lineage.get("seed")
        try:
            usual = choose(load_card(self._project.cards, section), algorithm=algorithm, seed=seed)
            settings = dict(_differing(usual.lineage.to_json(), lineage, algorithm))
            card = choose(load_card(self._project.cards, section, settings), algorithm=algorithm, seed=seed)
        except (OrchestratorError, OSError, ValueError):
            return None  # its card was deleted, or has other keys now
        if card.lineage.id != record.lineage_id or profile not in _PROFILES:
            return None
        words = ["run", section, f"--{profile}", "--backend", record.backend]
        words += (
            ["--algorithm", str(algorithm)] if algorithm not in (None, load_algorithm(self._project, section)) else []
        )
        for name, value in settings.items():
            words += ["--set", f"{name}={as_typed(value)}"]
        sizes = card.profiles.get(profile)
        if sizes is not None and target_steps not in (None, sizes.target_steps):
            words += ["--target-steps", str(target_steps)]
        return shlex.join(words)


def load_algorithm(project: Project, section: str) -> str | None:
    """The algorithm that a section's card names."""
    return load_card(project.cards, section).algorithm


def _without_seed(lineage: Mapping[str, Any]) -> str:
    return repr(sorted((key, value) for key, value in lineage.items() if key != "seed"))


def _differing(usual: Mapping[str, Any], wanted: Mapping[str, Any], algorithm: object) -> Iterator[tuple[str, Any]]:
    """Keys of the card whose values differ, with the wanted values."""
    for name, value in wanted.items():
        if name in ("seed", "section", "algorithm") or usual.get(name) == value:
            continue
        card_key = f"algorithms.{algorithm}" if name == "hyper_parameters" else name
        yield from _leaves(card_key, usual.get(name), value)


def _leaves(key: str, usual: Any, wanted: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(usual, Mapping) and isinstance(wanted, Mapping):
        for name, value in wanted.items():
            if usual.get(name) != value:
                yield from _leaves(f"{key}.{name}", usual.get(name), value)
    else:
        yield key, wanted
