"""A POST of JSON to an address that the user gave. The only room here that speaks to anybody but Kaggle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from orchestrator.core.errors import BadInput, RemoteUnavailable

TIMEOUT_S = (5.0, 10.0)
"""To connect and to answer: whoever listens must not hold up a campaign."""


def webhook_address(webhook: str | None, variable: str | None, environ: Mapping[str, str]) -> str:
    """The address to tell.

    Raises:
        BadInput: The variable that should hold it is not set.
    """
    if webhook is not None:
        return webhook
    found = environ.get(str(variable), "")
    if not found:
        raise BadInput(f"{variable} is not set", remedy="Put the webhook's address there, or take notify out.")
    return found


class Webhook:
    """Tells one address.

    Args:
        address: Never shown: it may be a secret.
        mask: Takes secrets out of a text before it leaves.
    """

    def __init__(self, address: str, mask: Callable[[str], str] = str) -> None:
        self._address = address
        self._mask = mask

    def tell(self, report: Mapping[str, Any]) -> None:
        """Send a report.

        Raises:
            RemoteUnavailable: It did not arrive; nothing is known of whether it was read.
        """
        try:
            answer = requests.post(self._address, json=self._masked(dict(report)), timeout=TIMEOUT_S)
        except requests.RequestException as fault:
            raise RemoteUnavailable(f"the webhook was not told: {type(fault).__name__}") from None
        if not answer.ok:
            raise RemoteUnavailable(f"the webhook was not told: HTTP {answer.status_code}")

    def _masked(self, plain: Any) -> Any:
        if isinstance(plain, str):
            return self._mask(plain)
        if isinstance(plain, list | tuple):
            return [self._masked(one) for one in plain]
        return {name: self._masked(one) for name, one in plain.items()} if isinstance(plain, dict) else plain
