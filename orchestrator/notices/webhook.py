"""Send a report as JSON by POST to an address that the user gave: the only network access besides Kaggle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.secret_search import masked_json

TIMEOUT_S = (5.0, 10.0)
"""Seconds to connect and to answer: a slow receiver must not hold up a campaign."""


def webhook_address(webhook: str | None, variable: str | None, environ: Mapping[str, str]) -> str:
    """The address of the webhook.

    Args:
        webhook: The address itself, None if a variable holds it.
        variable: Name of the environment variable that holds it.

    Raises:
        BadInput: The variable is not set.
    """
    if webhook is not None:
        return webhook
    found = environ.get(str(variable), "")
    if not found:
        raise BadInput(
            f"{variable} is not set",
            remedy=f"Set {variable} to the webhook's address, or remove notify from the campaign.",
        )
    return found


class Webhook:
    """Sends reports to one address.

    Args:
        address: Never shown, because it may be a secret.
        mask: Removes secrets from a text before it is sent.
    """

    def __init__(self, address: str, mask: Callable[[str], str] = str) -> None:
        self._address = address
        self._mask = mask

    def send(self, report: Mapping[str, Any]) -> None:
        """Send a report.

        Raises:
            RemoteUnavailable: The receiver did not confirm it.
        """
        try:
            answer = requests.post(
                self._address,
                json=masked_json(dict(report), self._mask),
                timeout=TIMEOUT_S,
                auth=_no_auth,
                allow_redirects=False,  # a redirect could lead the report, or a password of ~/.netrc, elsewhere
            )
        except requests.RequestException as fault:
            raise RemoteUnavailable(f"the webhook did not take it: {type(fault).__name__}") from None
        if not 200 <= answer.status_code < 300:
            raise RemoteUnavailable(f"the webhook did not take it: HTTP {answer.status_code}")


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sends no credentials, and keeps requests from taking any out of ~/.netrc."""
    return request
