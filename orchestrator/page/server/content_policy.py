"""The Content-Security-Policy of the page: only its own scripts run, and nothing is loaded from elsewhere.

https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from html.parser import HTMLParser

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""Of an answer that is no page."""
_ADDED_STYLE = re.compile(r"""createElement\("style"\).{0,200}?\.textContent='([^'\\]*)'""")
"""A style element with a fixed text that a script adds, as Plotly's does for its maps."""


def policy_of(blank: str) -> str:
    """The policy that allows the scripts and styles of a page, by their hashes.

    Args:
        blank: The HTML of a page without trainings. What a session or a card adds to a page later is not in it, so a
            script that slipped in with it does not run.
    """
    found = _Inlined()
    found.feed(blank)
    found.close()
    scripts = found.texts["script"]
    added = (text for script in scripts for text in _ADDED_STYLE.findall(script))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            # Plotly also adds an empty style element, and then rules to it.
            f"style-src-elem {_hashes([*found.texts['style'], '', *added])}",
            "style-src-attr 'unsafe-inline'",  # labels of Plotly
            "img-src data: blob:",  # Plotly makes the picture that its button saves from a blob
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hashes(texts: Iterable[str]) -> str:
    as_parsed = (text.replace("\r\n", "\n").replace("\r", "\n") for text in texts)  # as a browser reads line ends
    digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in as_parsed)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests) or "'none'"


class _Inlined(HTMLParser):
    """Collects the texts of the scripts and styles of a page, except data in script elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._within: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin to collect."""
        kind = dict(attrs).get("type") or ""
        if tag in self.texts and kind in ("", "module", "text/javascript", "text/css"):
            self._within = self.texts[tag]
            self._within.append("")

    def handle_data(self, data: str) -> None:
        """Collect."""
        if self._within is not None:
            self._within[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End."""
        self._within = None
