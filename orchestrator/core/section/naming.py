"""Makes a section's name from the name of a folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from orchestrator.core.section.size_limits import SECTION_CHARS

MOST_CHARS = SECTION_CHARS

_SPECIAL = {"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "đ": "d", "ł": "l", "þ": "th", "ð": "d"}
"""Latin letters that Unicode does not take apart into a letter and an accent."""
_OF_WINDOWS = re.compile(r"con|prn|aux|nul|(com|lpt)\d")
_VALID = re.compile(rf"(?!.*__)[a-z][a-z0-9_]{{0,{MOST_CHARS - 1}}}(?<!_)")
_FALLBACK = "training"


def is_section_name(name: str, reserved: Collection[str]) -> bool:
    """Whether a name can be used as it is for a section, its file, its folder and its kernels."""
    return bool(_VALID.fullmatch(name)) and not _OF_WINDOWS.fullmatch(name) and name not in reserved


def section_name(folder: str, reserved: Collection[str]) -> str:
    """A name for a section: lower-case ASCII letters, digits and single `_`, as close to the folder's name as possible.

    Args:
        folder: Name of the project's folder, in any script.
        reserved: Names that belong to other sections or to this program.
    """
    spelled = "".join(_SPECIAL.get(letter, letter) for letter in folder.lower())
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not name or name[0].isdigit():
        name = f"run_{name}" if name else _FALLBACK
    name = _shortened(name)
    return name if is_section_name(name, reserved) else _shortened(f"my_{name}")


def _shortened(name: str) -> str:
    """At most `MOST_CHARS` characters; whole words where that keeps at least half of them."""
    if len(name) <= MOST_CHARS:
        return name
    cut = name[:MOST_CHARS]
    whole = cut if name[MOST_CHARS] == "_" else cut.rpartition("_")[0]
    return (whole if len(whole) >= MOST_CHARS // 2 else cut).rstrip("_")
