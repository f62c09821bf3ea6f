"""Deletes what a check made on Kaggle, and says what stayed."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.ports import Clock

_LOOK_EVERY_S = 5.0


def delete_kernel(
    api: KaggleApi,
    clock: Clock,
    owner: str,
    slug: str,
    report: Callable[[Check], None],
    name: str,
    visible_s: float,
) -> None:
    """Delete a kernel of this account and report whether it is gone.

    Args:
        name: Of the reported check.
        visible_s: Seconds that a saved kernel may stay invisible, and a deleted one visible.
    """
    by_hand = f"Delete it by hand: https://www.kaggle.com/code/{owner}/{slug}"
    until_s = clock.monotonic() + visible_s
    try:
        while True:
            fault = _delete_once(api, owner, slug)
            visible, late = api.kernel(owner, slug) is not None, clock.monotonic() >= until_s
            if not visible and (fault is None or late):
                report(Check(name=name, good=True, found=f"{slug} is gone", remote=True))
                return
            if late or (visible and fault is not None):
                break
            clock.sleep(_LOOK_EVERY_S)
        found = f"{slug} stayed" + (f": {fault}" if fault else "")
    except ServiceFault as unanswered:
        found = f"{slug} may have stayed: {unanswered}"
    report(Check(name=name, good=False, found=found, remedy=by_hand, remote=True))


def _delete_once(api: KaggleApi, owner: str, slug: str) -> ServiceFault | None:
    """Ask once; a kernel that is not visible yet answers 404, and one that may not be deleted 403.

    Raises:
        ServiceFault: Kaggle does not answer.
    """
    try:
        api.delete_kernel(owner, slug)
    except ServiceFault as fault:
        if fault.transient:
            raise
        return fault
    return None
