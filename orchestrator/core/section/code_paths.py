"""Checks of what a card names as its code: an entry point, a script, files to include."""

from __future__ import annotations

import re
from collections.abc import Iterator

DIRECTORY = r"[A-Za-z0-9][A-Za-z0-9_-]*"
MODULE = r"(?!orchestrator(\.|$))[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
SCRIPT = r"(?!orchestrator(\.py)?(/|$))(?!(.*/)?\.{1,2}/)(?!(.*/)?\.py$)[^/\\:]+(/[^/\\:]+)*\.py"
"""Forms of a section's folder, entry point and script, in syntax that Python and JSON Schema share."""


def start_faults(entry_point: str | None, script: str | None) -> Iterator[str]:
    """What is wrong with the start of a section's code: a module or a script, exactly one of them."""
    if entry_point is None and script is None:
        yield "script or entry_point is missing: script: train.py runs a file, entry_point: package.module calls run()"
    elif entry_point is not None and script is not None:
        yield "script and entry_point exclude each other: remove one of them"
    if entry_point is not None and not re.fullmatch(MODULE, entry_point, re.ASCII):
        yield f"entry_point must be a module of the project, such as mypackage.train, not {entry_point!r}"
    if script is not None and (why := script_fault(script)):
        yield f"script must be a Python file below the project's folder, such as examples/train.py, not {script!r}{why}"


def script_fault(script: str) -> str:
    """Why a text is no path of a script, to follow the message; empty if it is one."""
    parts = script.split("/")
    if "\\" in script:
        return ": write its path with /"
    if ":" in script or any(part in ("", ".", "..") for part in parts) or not script.isprintable():
        return ": its path starts in that folder, without .. and ./"
    if not script.endswith(".py") or parts[-1] == ".py":
        return ": its name ends in .py"
    if parts[0] in ("orchestrator", "orchestrator.py"):
        return ": this name belongs to the package orchestrator"
    return ""


def include_fault(pattern: str) -> str | None:
    """Why a glob could lead out of the project, None if it cannot."""
    parts = pattern.split("/")
    if "\\" in pattern or ":" in pattern or any(part in ("", ".", "..") for part in parts):
        return f"include takes paths inside the project such as assets/*.npz, not {pattern!r}"
    if any("**" in part and part != "**" for part in parts):
        return f"** must be a whole part of a path of include, as in assets/**/*.npz, not {pattern!r}"
    return None
