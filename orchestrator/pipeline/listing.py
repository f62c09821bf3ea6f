"""What is listed over there, by lineage, asked for once however many sessions one tick starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from orchestrator.core.naming import lineage_prefix, section_prefix
from orchestrator.ports import Lists


class Listing:
    """Of one moment: a new tick asks anew.

    A service answers with all kernels of an account, page by page, whatever name is looked for. What came into being
    since the listing is what a listing shows late anyway: whoever relies on it asks for the newest by name besides.
    """

    def __init__(self) -> None:
        self._names: dict[str, defaultdict[str, list[str]]] = {}

    def names(self, backend: Lists, section: str, lineage_id: str) -> Sequence[str]:
        """Names of a lineage's kernels, in any order.

        Raises:
            RemoteUnavailable: The listing cannot be asked; the next question tries again.
        """
        wanted = lineage_prefix(section, lineage_id)
        if section not in self._names:
            by_lineage = defaultdict[str, list[str]](list)
            for name in backend.names(section_prefix(section)):
                by_lineage[name[: len(wanted)]].append(name)
            self._names[section] = by_lineage
        return self._names[section].get(wanted, ())
