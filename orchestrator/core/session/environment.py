"""Which of this computer's variables a session may have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.core.secret_search import NAMES_OF_SECRETS

_KEPT = re.compile(r"PWD|.*PROXY|(PIP|UV)_(?!PUBLISH).*", re.IGNORECASE)
"""The current folder; and how packages are installed, which may need a password."""
_PASSWORD_IN_ADDRESS = re.compile(r"://[^\s/:@]*:[^\s/@]+@")


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a session may have: none that is probably a secret, and no SSH agent."""
    return {name: value for name, value in environ.items() if _KEPT.fullmatch(name) or not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    by_name = "KAGGLE" in name.upper() or name == "SSH_AUTH_SOCK" or NAMES_OF_SECRETS.search(name)
    return bool(by_name or _PASSWORD_IN_ADDRESS.search(value) or "PRIVATE KEY-----" in value)
