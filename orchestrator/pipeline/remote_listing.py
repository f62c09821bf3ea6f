"""The names that the backend lists, read once for all sessions that a tick starts."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.session.slug import lineage_prefix, section_prefix
from orchestrator.ports import Backend


class Listing:
    """Listed names by section, valid for one tick.

    A service answers with all kernels of an account, page by page, whatever name is asked for. The newest kernels may
    be missing, as in every listing: the caller also asks for them by name.
    """

    def __init__(self) -> None:
        self._names: dict[str, Sequence[str]] = {}

    def names(self, backend: Backend, section: str, lineage_id: str) -> Sequence[str]:
        """Names of a lineage's kernels, in any order.

        Raises:
            RemoteUnavailable: The listing cannot be read; the next call tries again.
        """
        if section not in self._names:
            self._names[section] = backend.names(section_prefix(section))
        prefix = lineage_prefix(section, lineage_id)
        return [name for name in self._names[section] if name.startswith(prefix)]
