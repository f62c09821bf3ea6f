"""How many sessions of a campaign may be in flight together, on each backend and of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from orchestrator.core.section.overrides import MOST_TRIALS
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Slots that the sessions of some sites share.

    Attributes:
        sites: Of one backend.
        count: Most sessions of these sites that may be in flight together; at least 1.
    """

    sites: tuple[Site, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The slots of a campaign.

    Attributes:
        pools: In the order of the file; no site is in two of them.
    """

    pools: tuple[Pool, ...]

    @property
    def total(self) -> int:
        """Of all sites together."""
        return sum(pool.count for pool in self.pools)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site that has slots of its own or shares them."""
        return tuple(site for pool in self.pools for site in pool.sites)

    @property
    def backends(self) -> tuple[str, ...]:
        """Names of the backends, each once."""
        return tuple(dict.fromkeys(site.backend for site in self.sites))

    @property
    def metered(self) -> frozenset[Site]:
        """Sites whose hours count against the weekly quota or the campaign's budget.

        These are the GPU sessions; of a campaign on one backend without kinds, all sessions.
        """
        several = len(self.backends) > 1
        return frozenset(
            site for site in self.sites if site.kind is SessionKind.GPU or (site.kind is None and not several)
        )

    def of(self, site: Site) -> int:
        """Most sessions of a site that may be in flight together."""
        return next((pool.count for pool in self.pools if site in pool.sites), 0)

    def has_free(self, site: Site, in_use: Mapping[Site, int]) -> bool:
        """Whether a session may start there while these are in flight."""
        pool = next((pool for pool in self.pools if site in pool.sites), None)
        return pool is not None and sum(in_use.get(one, 0) for one in pool.sites) < pool.count

    def name(self, site: Site) -> str:
        """A site for the user: the kind alone where the campaign has one backend."""
        if len(self.backends) == 1:
            return site.kind.value.upper() if site.kind else site.backend
        return (
            f"{site.backend} {site.kind.value.upper()}" if site.kind and self._of_kinds(site.backend) else site.backend
        )

    def of_backend(self, backend: str) -> str:
        """The slots of one backend for the user, e.g. `2 GPU and 5 CPU`."""
        own = [pool for pool in self.pools if pool.sites[0].backend == backend]
        if not self._of_kinds(backend):
            return str(sum(pool.count for pool in own))
        return _listed(f"{pool.count} {pool.sites[0].kind.value.upper()}" for pool in own if pool.sites[0].kind)

    def _of_kinds(self, backend: str) -> bool:
        """Whether the kinds of a backend have slots of their own."""
        return any(
            pool.sites[0].backend == backend and len(pool.sites) == 1 and pool.sites[0].kind for pool in self.pools
        )

    def __str__(self) -> str:
        if len(self.backends) == 1:
            return self.of_backend(self.backends[0])
        return _listed(f"{self.of_backend(backend)} on {backend}" for backend in self.backends)


def _listed(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Sessions that may be in flight together, by kind. Kaggle runs two GPU and five CPU sessions per account.

    Attributes:
        gpu: Sessions with a GPU; they spend the weekly quota.
        cpu: Sessions without one; they spend no quota.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    gpu: int = 0
    cpu: int = 0

    def __post_init__(self) -> None:
        for name, count in (("gpu", self.gpu), ("cpu", self.cpu)):
            if not 0 <= count <= MOST_TRIALS:
                raise ValueError(f"{name} must lie between 0 and {MOST_TRIALS}, not {count}")
        if self.gpu + self.cpu == 0:
            raise ValueError("give at least one session: gpu, cpu or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendLimits:
    """The limits of a campaign on one of its backends.

    Attributes:
        sessions: Sessions that may be in flight there together; on Kaggle also by kind. A pack counts as one.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    sessions: int | Sessions = 1

    def __post_init__(self) -> None:
        if isinstance(self.sessions, int) and not 1 <= self.sessions <= MOST_TRIALS:
            raise ValueError(f"sessions must lie between 1 and {MOST_TRIALS}, not {self.sessions}")


@lru_cache(maxsize=64)
def slots_of(limits: tuple[tuple[str, BackendLimits], ...]) -> Slots:
    """The slots of some backends, each with its limits."""
    return Slots(pools=tuple(pool for backend, one in limits for pool in _pools(backend, one.sessions)))


def _pools(backend: str, sessions: int | Sessions) -> list[Pool]:
    """Only Kaggle has kinds; elsewhere all sessions share the slots."""
    if backend != KAGGLE:
        count = sessions if isinstance(sessions, int) else sessions.gpu + sessions.cpu
        return [Pool(sites=(Site(backend),), count=count)]
    gpu, cpu = Site(KAGGLE, SessionKind.GPU), Site(KAGGLE, SessionKind.CPU)
    if isinstance(sessions, int):
        return [Pool(sites=(gpu, cpu), count=sessions)]
    return [Pool(sites=(site,), count=count) for site, count in ((gpu, sessions.gpu), (cpu, sessions.cpu)) if count]
