"""Lineage: what makes two trainings the same training, and the short names made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.kernel.wire import canonical_json, digest_of


@dataclass(frozen=True, kw_only=True)  # without slots: the digest is taken once
class Lineage:
    """Section, environment, algorithm, network, hyper-parameters and seed.

    Target, cadence, deadline and backend are not part of it, so quick and full share it; the code digest is
    compared and graded beside it, never part of it.
    """

    section: str
    environment: Mapping[str, Any]
    algorithm: str | None
    network: tuple[int, ...]
    hyper_parameters: Mapping[str, Any]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "section": self.section,
            "environment": dict(self.environment),
            "algorithm": self.algorithm,
            "network": list(self.network),
            "hyper_parameters": dict(self.hyper_parameters),
            "seed": self.seed,
        }

    def ids_of(self, seeds: Iterable[int]) -> Iterator[str]:
        """Lineage ids of the same training with other seeds, in their order.

        A campaign has many seeds of one training, and the texts under their digests differ in nothing but the seed,
        which canonical JSON has last: the rest is written once.
        """
        before_seed = canonical_json({**self.to_json(), "seed": 0}).removesuffix("0}")
        for seed in seeds:
            yield hashlib.sha256(f"{before_seed}{seed}}}".encode("ascii")).hexdigest()

    @cached_property
    def id(self) -> str:
        """The lineage id: hex sha256 of the plain form."""
        return digest_of(self.to_json())


def short(lineage_id: str) -> str:
    """First eight characters of a lineage id, as in slugs and folder names."""
    return lineage_id[:8]
