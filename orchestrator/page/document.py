"""The page as one HTML file: data, style, script and Plotly inlined, so that it opens without a network."""

from __future__ import annotations

import base64
import gzip
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.core.errors import BadInput
from orchestrator.core.page.page import Page
from orchestrator.page.content_policy import policy_of

TEMPLATES = Path(__file__).resolve().parents[2] / "kernel_templates" / "page"
"""The page's own template, style and script."""

SCRIPTS = (
    *("text.js", "words.js", "theme.js", "legend.js", "table.js", "headline.js", "plotly.js", "curve_traces.js"),
    *("curve.js", "gantt.js", "trainings.js", "intervals.js", "compare.js", "endings.js", "numbers.js", "live.js"),
    "page.js",
)
"""Parts of the page's script, in the order in which they are joined."""


def html(page: Page, templates: Path) -> str:
    """The whole file.

    Args:
        templates: Folder with `page.html.j2`, `style.css` and the files of the script.

    Raises:
        BadInput: Plotly is not installed.
    """
    environment = Environment(
        loader=FileSystemLoader(templates), undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True
    )
    return environment.get_template("page.html.j2").render(
        page=page,
        style=style(templates),
        plotly=packed(plotly()),
        script=script(templates),
        data=embedded(page),
        policy=policy(templates, live=page.live),
    )


def script(templates: Path) -> str:
    """The page's script: its files in one function, so that none of its names is global."""
    files = "\n".join((templates / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{files}}})();\n'


def policy(templates: Path, *, live: bool) -> str:
    """The Content-Security-Policy of every page with these templates; the page's script adds Plotly's when unpacked."""
    return policy_of([plotly(), script(templates)], [style(templates)], live=live)


def style(templates: Path) -> str:
    """The page's style."""
    return (templates / "style.css").read_text(encoding="utf-8")


def embedded(page: Page) -> str:
    """The page's JSON so that it can stand inside a `script` element: no `<` can end the element or begin another."""
    text = json.dumps(page.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@lru_cache(maxsize=1)
def packed(text: str) -> str:
    """A script compressed by gzip, in base 85 of RFC 1924 with `,` for `<`, so that no text in it ends an element."""
    return base64.b85encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii").replace("<", ",")


def plotly() -> str:
    """The text of Plotly's script.

    Raises:
        BadInput: It is not installed.
    """
    if find_spec("plotly") is None:
        raise BadInput(
            "the page needs Plotly, which is not installed", remedy='Install it: python -m pip install "plotly>=6"'
        )
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
