"""Hides secrets in a text that is shown."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.core.secret_search import masked
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.secrets.rules import rule_findings


def masking() -> Callable[[str], str]:
    """Replaces the secrets in use, and hides a text that holds what looks like another one."""
    secrets = secrets_in_use()

    def mask(text: str) -> str:
        plain = masked(text, secrets)
        found = next((what for _, what in rule_findings(plain)), None)
        return plain if found is None else f"[hidden: {found}]"

    return mask
