"""Where a training is cut, and at which steps both trainings record digests of their state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from orchestrator.core.errors import BadInput

MOST_CUTS = 100
"""Each cut is a process of its own."""
_DOUBLINGS = 53


def draw_cuts(draw: Callable[[int, int], int], *, cuts: int, steps: int, pass_steps: int) -> tuple[int, ...]:
    """Draw one cut in each of `cuts` equal stretches of a training, all at boundaries between two passes.

    Args:
        draw: `draw(low, high)` returns a uniform integer in [low, high).
        cuts: How many, 1 or more.
        steps: Steps of the whole training.
        pass_steps: Steps of one pass of its loop.

    Raises:
        BadInput: The training has too few passes.
    """
    passes = -(-steps // pass_steps)
    if passes <= cuts:
        raise BadInput(
            f"the training has {passes} pass(es) of its loop, too few for {cuts} cut(s)",
            remedy=f"Give --cuts {passes - 1}, or a longer training with --steps {(cuts + 1) * pass_steps}."
            if passes > 1
            else f"Give a longer training with --steps {(cuts + 1) * pass_steps}.",
        )
    edges = [1 + (passes - 1) * number // cuts for number in range(cuts + 1)]
    return tuple(draw(low, high) * pass_steps for low, high in itertools.pairwise(edges))


def checked_cuts(at: Iterable[int], steps: int) -> tuple[int, ...]:
    """Cuts that the user named.

    Raises:
        BadInput: One lies outside the training.
    """
    for step in at:
        if not 0 < step < steps:
            raise BadInput(
                f"--at {step} lies outside the training, which ends at step {steps}",
                remedy=f"Name steps from 1 to {steps - 1}, e.g. --at {max(1, steps // 2)}.",
            )
    return tuple(sorted(set(at)))


def trace_steps(cuts: Iterable[int] = ()) -> tuple[int, ...]:
    """Steps at which digests are recorded: at the start and at each cut, and 1, 2, 4, 8 ... steps after it."""
    return tuple(sorted({start + offset for start in (0, *cuts) for offset in (0, *_POWERS)} - {0}))


_POWERS = tuple(2**power for power in range(_DOUBLINGS))
