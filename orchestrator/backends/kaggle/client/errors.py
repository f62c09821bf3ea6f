"""What a request to Kaggle can end with, as one fault of ours that knows whether repeating helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from orchestrator.core.errors import RemoteUnavailable

Answer = TypeVar("Answer")

WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed (RFC 9110 and RFC 6585 name them temporary)."""

_WORDS_LIMIT_CHARS = 400
_LONGEST_S = 86_400.0
_SECONDS = re.compile(r"[0-9]+")
"""Of the digits that Unicode has, HTTP knows ten."""
_SIGNED = re.compile(r"https?://\S+")

_REMEDIES: Mapping[int, str] = {
    400: "Kaggle does not say more; check the card's kaggle block and the size of the script.",
    401: "The credentials are wrong or have expired: make a new token on https://www.kaggle.com/settings.",
    403: "The account may not do this: check that it is phone-verified and that the token has the right scopes.",
    404: "It is not there, or it belongs to another account.",
    429: "Kaggle asks for fewer requests; the same command goes on later.",
}
_LATER = "Check the network and https://status.kaggle.com; the same command goes on later, nothing is lost."


class ServiceFault(RemoteUnavailable):
    """A request that failed.

    Attributes:
        status: HTTP status, or the code inside a 200; None when no answer came.
        words: The service's own sentence, shortened, without signed addresses.
    """

    def __init__(self, act: str, *, status: int | None, words: str, retry_after_s: float | None = None) -> None:
        self.status = status
        self.words = clean(words)
        answer = f"HTTP {status}" if status is not None else "no answer"
        super().__init__(
            f"Kaggle, {act}: {answer}" + (f", {self.words}" if self.words else ""),
            remedy=_REMEDIES.get(status or 0, _LATER),
            transient=status is None or status in WORTH_REPEATING,
        )
        self.wait_s = retry_after_s

    @property
    def undecided(self) -> bool:
        """Whether the request may have been carried out all the same: no answer, or the server broke over it."""
        return self.status is None or self.status >= 500


class UnknownWord(Exception):
    """The service used a word that the SDK does not know: visible, never an end."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def parsed(call: Callable[[], Answer]) -> Answer:
    """What a call answers.

    Raises:
        UnknownWord: See there.
    """
    try:
        return call()
    except KeyError as unknown:  # the SDK's enum parser
        raise UnknownWord(str(unknown.args[0]) if unknown.args else "?") from None


def clean(words: str) -> str:
    """Server text fit to be shown and stored: one line, short, no signed address, no control characters."""
    text = _SIGNED.sub("<address>", words)
    text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:_WORDS_LIMIT_CHARS]


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds in a `Retry-After` header, at most a day; None where it says nothing that can be read.

    Source: RFC 9110, section 10.2.3: delay in seconds, or an HTTP date.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_S)
    until = http_date(text)
    return None if until is None else min(max(0.0, (until - now).total_seconds()), _LONGEST_S)


def http_date(text: str) -> datetime | None:
    """The moment in an HTTP date, aware, None where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read.replace(tzinfo=read.tzinfo or UTC)
