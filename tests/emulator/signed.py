"""Signed addresses: they give access to a file without credentials until they expire."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

EXPIRED_BODY = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code></Error>"


@dataclass
class SignedAddresses:
    """Signed addresses of files.

    Attributes:
        lasts: Validity of an address.
    """

    base: str
    now: Callable[[], datetime]
    lasts: timedelta = timedelta(hours=1)
    _given: dict[str, tuple[Path, datetime]] = field(default_factory=dict)

    def give(self, path: Path) -> str:
        """Create an address for a file."""
        signature = secrets.token_hex(16)
        self._given[signature] = (path, self.now() + self.lasts)
        return f"{self.base}/signed/{signature}?Signature={signature}"

    def open(self, signature: str) -> Path | None:
        """The file of an address, None if the address is expired or unknown."""
        path, until = self._given.get(signature, (None, None))
        return path if until is not None and self.now() < until else None

    def expire_all(self) -> None:
        """Let all existing addresses expire."""
        self._given = {signature: (path, self.now()) for signature, (path, _) in self._given.items()}
