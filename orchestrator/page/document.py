"""The page as one HTML file: data, style, script and Plotly inlined, so that it opens without a network."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.core.errors import BadInput
from orchestrator.core.page.page import Page

TEMPLATES = Path(__file__).resolve().parents[2] / "kernel_templates" / "page"
"""The page's own template, style and script."""


def html(page: Page, templates: Path = TEMPLATES) -> str:
    """The whole file.

    Args:
        templates: Folder with `page.html.j2`, `style.css` and `script.js`.

    Raises:
        BadInput: Plotly is not installed.
    """
    environment = Environment(
        loader=FileSystemLoader(templates), undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True
    )
    return environment.get_template("page.html.j2").render(
        page=page,
        style=(templates / "style.css").read_text(encoding="utf-8"),
        script=(templates / "script.js").read_text(encoding="utf-8"),
        plotly=plotly(),
        data=embedded(page),
    )


def embedded(page: Page) -> str:
    """The page's JSON so that it can stand inside a `script` element: no `<` can end the element or begin another."""
    text = json.dumps(page.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


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
