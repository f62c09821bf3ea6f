"""Removes who the user is from a report that is meant to be sent to others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.secret_search import SecretValue, masked, masked_json

USER = "<user>"


class Mask:
    """Replaces an account's name, the user's home folder, and the secrets in use.

    Args:
        account: Name as in addresses; replaced as a whole word, in any case.
        home: The home folder, whose path may hold the user's name; empty for none.
    """

    def __init__(self, account: str, secrets: Iterable[SecretValue], home: str = "") -> None:
        self._secrets = tuple(secrets)
        self._home = home
        self._account = re.compile(rf"(?<![A-Za-z0-9]){re.escape(account)}(?![A-Za-z0-9])", re.IGNORECASE)

    def text(self, text: str) -> str:
        """A text without name and secrets."""
        text = masked(text, self._secrets)
        return self._account.sub(USER, text.replace(self._home, "~") if self._home else text)

    def check(self, check: Check) -> Check:
        """A check without name and secrets."""
        return replace(check, found=self.text(check.found), remedy=self.text(check.remedy))

    def plain(self, value: Any) -> Any:
        """Plain JSON without name and secrets, keys included."""
        return masked_json(value, self.text)
