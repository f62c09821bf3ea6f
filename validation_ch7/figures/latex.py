"""Text for LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex_text(text: str) -> str:
    """Plain text with LaTeX's special characters escaped."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def latex_line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return "    " + " & ".join(cells) + r" \\"


def latex_comment(text: str) -> str:
    """A comment on one line."""
    return "% " + " ".join(text.split())
