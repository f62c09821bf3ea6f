"""The Content-Security-Policy of the page: its own scripts alone run, and nothing is loaded from elsewhere.

https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

_ADDED_STYLE = re.compile(r"""createElement\("style"\).{0,200}?\.textContent='([^'\\]*)'""")
"""A style element with a fixed text that a script adds, as Plotly's does for its maps."""


def policy_of(scripts: Iterable[str], styles: Iterable[str], *, live: bool) -> str:
    """The policy of a page with these inlined scripts and styles.

    Args:
        live: Whether the page asks the server that it came from.
    """
    scripts = list(scripts)
    added = [text for script in scripts for text in _ADDED_STYLE.findall(script)]
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            # Plotly also adds an empty style element, and then rules to it.
            f"style-src-elem {_hashes([*styles, '', *added])}",
            "style-src-attr 'unsafe-inline'",  # labels of Plotly
            "img-src data: blob:",  # Plotly makes the picture that its button saves from a blob
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
