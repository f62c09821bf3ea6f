"""Values that are kept as long as what they were made from stays the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """One value for each name; threads may share it.

    Args:
        most: Values that are kept; beyond, the oldest one is dropped.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[object, Value]] = {}
        self._lock = threading.Lock()

    def get(self, name: Hashable, state: object, make: Callable[[], Value]) -> Value:
        """The value of a name; it is made again if its state is no longer equal, and replaces the earlier one.

        Args:
            state: What the value depends on, for example size and time of a file.
        """
        kept = self._kept.get(name)
        if kept is not None and kept[0] == state:
            return kept[1]
        value = make()
        with self._lock:
            self._kept.pop(name, None)
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[name] = (state, value)
        return value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)
