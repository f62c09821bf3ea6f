"""One value for each name, and no more than the limit."""

from __future__ import annotations

from orchestrator.core.cache import Cache


def test_a_value_is_made_again_only_when_its_state_differs_and_replaces_the_earlier_one() -> None:
    kept, made = Cache[int](most=10), list[int]()
    for state in (1, 1, 2, 2, 1):
        assert kept.get("a", state, lambda state=state: made.append(state) or state) == state
    assert made == [1, 2, 1] and len(kept) == 1


def test_beyond_the_limit_the_oldest_value_alone_is_dropped() -> None:
    kept, made = Cache[int](most=3), list[int]()
    for name in (1, 2, 3, 4, 2, 3, 4, 1):
        kept.get(name, None, lambda name=name: made.append(name) or name)
    assert made == [1, 2, 3, 4, 1] and len(kept) == 3
