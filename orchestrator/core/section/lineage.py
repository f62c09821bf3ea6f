"""Lineage: what makes two trainings the same training, and its id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
        plain = self.to_json()
        before = canonical_json({key: value for key, value in plain.items() if key < "seed"}).removesuffix("}")
        after = canonical_json({key: value for key, value in plain.items() if key > "seed"}).removeprefix("{")
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
