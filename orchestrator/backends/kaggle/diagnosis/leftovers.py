"""Deletes what a check made on Kaggle, and says what stayed."""

from __future__ import annotations

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.ports import Clock

_LOOK_EVERY_S = 5.0


def delete_kernel(api: KaggleApi, clock: Clock, owner: str, slug: str, *, name: str, visible_s: float) -> Check:
    """Delete a kernel of this account.

    Args:
        name: Of the returned check.
        visible_s: Seconds that a saved kernel may stay invisible, and a deleted one visible.

    Returns:
        Whether it is gone; if it is not, how to delete it by hand.
    """
    seen, until_s = False, clock.monotonic() + visible_s
    try:
        while True:
            late = clock.monotonic() >= until_s
            visible = api.kernel(owner, slug) is not None
            if not visible and (seen or late):
                return Check(name=name, good=True, found=f"{slug} is gone", remote=True)
            if visible and not seen:
                seen = True
                api.delete_kernel(owner, slug)
            elif late:
                found = f"{slug} stayed"
                break
            else:
                clock.sleep(_LOOK_EVERY_S)
    except ServiceFault as fault:
        found = f"{slug} may have stayed: {fault}"
    by_hand = f"Delete it by hand: https://www.kaggle.com/code/{owner}/{slug}"
    return Check(name=name, good=False, found=found, remedy=by_hand, remote=True)
