"""A failed request to Kaggle as one exception, which says whether a repetition can help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orchestrator.core.errors import RemoteUnavailable

WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed (temporary in RFC 9110 and RFC 6585)."""

_WORDS_LIMIT_CHARS = 400
_LONGEST_S = 86_400.0
_SECONDS = re.compile(r"[0-9]+")
"""Not `\\d`: HTTP allows ASCII digits only."""
_SIGNED = re.compile(r"https?://\S+")

_REMEDIES: Mapping[int, str] = {
    400: "Kaggle gives no other reason; check the card's kaggle block and the size of the script.",
    401: "The credentials are wrong or have expired: create a new token on https://www.kaggle.com/settings.",
    403: "The account may not do this: check that its phone is verified and that the token has the right scopes.",
    404: "It does not exist, or it belongs to another account.",
    429: "Kaggle asks for fewer requests; run the same command again later.",
}
_LATER = "Check the network and https://status.kaggle.com, then run the same command again; nothing is lost."


class ServiceFault(RemoteUnavailable):
    """A request that failed.

    Attributes:
        status: HTTP status, or the error code inside a 200 answer; None without an answer.
        message: The service's own message, shortened, without signed addresses.
    """

    def __init__(self, act: str, *, status: int | None, message: str, retry_after_s: float | None = None) -> None:
        self.status = status
        self.message = clean(message)
        answer = f"HTTP {status}" if status is not None else "no answer"
        super().__init__(
            f"Kaggle, {act}: {answer}" + (f", {self.message}" if self.message else ""),
            remedy=_REMEDIES.get(status or 0, _LATER),
            transient=status is None or status in WORTH_REPEATING,
        )
        self.wait_s = retry_after_s

    @property
    def undecided(self) -> bool:
        """Whether the request may have been carried out although it failed: no answer, or a server error."""
        return self.status is None or self.status >= 500


def clean(message: str) -> str:
    """Server text that can be shown and stored: one short line without signed addresses and control characters."""
    text = _SIGNED.sub("<address>", message)
    text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:_WORDS_LIMIT_CHARS]


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds in a `Retry-After` header, at most a day; None if it is absent or unreadable.

    Source: RFC 9110, section 10.2.3: a delay in seconds, or an HTTP date.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_S)
    until = http_date(text)
    return None if until is None else min(max(0.0, (until - now).total_seconds()), _LONGEST_S)


def http_date(text: str) -> datetime | None:
    """The aware time in an HTTP date, None if the text is not one."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read.replace(tzinfo=read.tzinfo or UTC)
