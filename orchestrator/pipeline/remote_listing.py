"""What is listed over there, by lineage, asked for once however many sessions one tick starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from orchestrator.core.session.slug import lineage_prefix, section_prefix
from orchestrator.ports import Backend


class Listing:
    """Good for one tick; the next one asks anew and sorts in only what has come or gone since.

    A service answers with all kernels of an account, page by page, whatever name is looked for. What came into being
    since the listing is what a listing shows late anyway: whoever relies on it asks for the newest by name besides.
    """

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._asked: set[str] = set()

    def expire(self) -> None:
        """Another moment: each section is asked for again."""
        self._asked.clear()

    def names(self, backend: Backend, section: str, lineage_id: str) -> Sequence[str]:
        """Names of a lineage's kernels, in any order.

        Raises:
            RemoteUnavailable: The listing cannot be asked; the next question tries again.
        """
        wanted = lineage_prefix(section, lineage_id)
        shelf = self._shelves.setdefault(section, _Shelf(len(wanted)))
        if section not in self._asked:
            shelf.put(frozenset(backend.names(section_prefix(section))))
            self._asked.add(section)
        return list(shelf.by_prefix.get(wanted, ()))


class _Shelf:
    """Names by how they begin."""

    def __init__(self, prefix_chars: int) -> None:
        self._prefix_chars = prefix_chars
        self._names: frozenset[str] = frozenset()
        self.by_prefix: defaultdict[str, list[str]] = defaultdict(list)

    def put(self, names: frozenset[str]) -> None:
        """These and no others."""
        come = names - self._names
        gone = self._names - names if len(names) < len(self._names) + len(come) else ()
        for name in come:
            self.by_prefix[name[: self._prefix_chars]].append(name)
        for name in gone:
            self.by_prefix[name[: self._prefix_chars]].remove(name)
        self._names = names
