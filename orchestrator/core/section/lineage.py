"""Lineage: what makes two trainings the same training, its id, and a card's blocks as its plain JSON."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

from orchestrator.kernel.wire import canonical_json, digest_of


@dataclass(frozen=True, kw_only=True)  # without slots: the digest is cached
class Lineage:
    """Section, environment, algorithm, network, hyper-parameters and seed.

    Target, save interval, deadline and backend are not part of it, so `quick` and `full` share it. The code digest is
    not part of it either; it is compared and graded separately.

    Attributes:
        environment: The section's own key `environment`; empty without one.
        own: Its other own keys, and `settings`; keys of the lineage as those of every section.
    """

    section: str
    environment: Mapping[str, Any]
    algorithm: str | None
    network: tuple[int, ...]
    hyper_parameters: Mapping[str, Any]
    seed: int
    own: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "section": self.section,
            "environment": dict(self.environment),
            "algorithm": self.algorithm,
            "network": list(self.network),
            "hyper_parameters": dict(self.hyper_parameters),
            "seed": self.seed,
            **self.own,
        }

    def ids_of(self, seeds: Iterable[int]) -> Iterator[str]:
        """Lineage ids of the same training with other seeds, in the given order.

        The digested texts differ only in the seed, so the rest is built once. In canonical JSON the keys are sorted.
        """
        all_keys = self.to_json()
        before = canonical_json({key: value for key, value in all_keys.items() if key < "seed"}).removesuffix("}")
        after = canonical_json({key: value for key, value in all_keys.items() if key > "seed"}).removeprefix("{")
        rest = after if after == "}" else f",{after}"
        for seed in seeds:
            yield hashlib.sha256(f'{before},"seed":{seed}{rest}'.encode("ascii")).hexdigest()

    @cached_property
    def id(self) -> str:
        """The lineage id: hex sha256 of the JSON form."""
        return digest_of(self.to_json())


def short(lineage_id: str) -> str:
    """First eight characters of a lineage id, used in slugs and folder names."""
    return lineage_id[:8]


def plain(value: Any, place: str) -> Any:
    """A value as plain JSON. Of a dataclass, optional keys that are left out (None) are left out.

    Args:
        place: Key of the card, for messages.

    Raises:
        ValueError: A number is not finite, or the value is no plain one.
    """
    if is_dataclass(value):
        found = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: plain(one, _join(place, name)) for name, one in found.items() if one is not None}
    if isinstance(value, Mapping):
        return {str(name): plain(one, _join(place, str(name))) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, f"{place}.{index}") for index, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} must be finite, not {value}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{place} is a {type(value).__name__}, which is no plain value")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
