"""No output may crash on encoding: what a terminal cannot show is said in ASCII."""

from __future__ import annotations

_ASCII = {
    "✓": "+",
    "✗": "x",
    "✅": "[OK]",
    "⚠️": "[!]",
    "⚠": "[!]",
    "→": "->",
    "…": "...",
    "·": "-",
    **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*#@", strict=True)),
}


def encodable(text: str, encoding: str | None) -> str:
    """The text itself where the encoding has it, else the same words with ASCII signs.

    Args:
        text: What to print.
        encoding: Of the stream, as Python names it; None counts as ASCII.
    """
    name = encoding or "ascii"
    try:
        text.encode(name)
    except (UnicodeEncodeError, LookupError):
        for sign, plain in _ASCII.items():
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode("ascii")
    return text
