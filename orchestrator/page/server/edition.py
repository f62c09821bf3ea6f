"""One reading of the page, as it is sent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from orchestrator.core.page.page import Page

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False, check_circular=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A page with its JSON.

    Attributes:
        page: Marked as live.
        body: Its JSON in one line of ASCII.
        digest: Of everything but the time of the reading, sha256 in hex: two editions with one digest show the same.
    """

    page: Page
    body: bytes
    digest: str


def edition_of(page: Page) -> Edition:
    """The edition of a page.

    Raises:
        ValueError: The page holds NaN or an infinity.
    """
    live = replace(page, live=True)
    plain = live.to_json()
    made_at = plain.pop("made_at")
    rest = _encode(plain)
    body = f'{{"made_at":{_encode(made_at)},{rest[1:]}'
    return Edition(page=live, body=body.encode("ascii"), digest=hashlib.sha256(rest.encode("ascii")).hexdigest())
