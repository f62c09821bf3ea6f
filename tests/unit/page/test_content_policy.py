"""The policy of the page: hashes of its own scripts and styles, and nothing from elsewhere."""

from __future__ import annotations

import pytest

from orchestrator.page.content_policy import policy_of

SCRIPT = "let a = 1 < 2;"
STYLE = "p { color: red }"
# From: printf '%s' TEXT | openssl dgst -sha256 -binary | base64
OF_SCRIPT = "'sha256-Xd/xFl+DmsVqHczJvGQWMh7nLH7H7r5iGmQKRm0JimU='"
OF_STYLE = "'sha256-ngewhhP73WDIbgwseeu52VAAJgKdGUsu1IUQQsAm8m4='"
OF_NOTHING = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


@pytest.mark.parametrize(("live", "own"), [(True, "'self'"), (False, "'none'")])
def test_the_policy_names_the_own_scripts_alone(live: bool, own: str) -> None:
    assert policy_of([SCRIPT], [STYLE], live=live).split("; ") == [
        "default-src 'none'",
        f"script-src {OF_SCRIPT}",
        f"style-src-elem {OF_STYLE} {OF_NOTHING}",
        "style-src-attr 'unsafe-inline'",
        "img-src data: blob:",
        f"connect-src {own}",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_a_style_that_a_script_adds_is_allowed_by_its_text() -> None:
    script = f"""const e=document.createElement("style");e.id="x",e.textContent='{STYLE}',document.head.append(e)"""
    assert f"{OF_NOTHING} {OF_STYLE};" in policy_of([script], [], live=False)
