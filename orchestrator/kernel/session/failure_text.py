"""What a session says of a failure beyond the exception's own text: cause and remedy."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.environment.requirements import REQUIREMENTS_NAME
from orchestrator.kernel.files.storage import free_text


def absent_module(fault: ModuleNotFoundError, bundle_root: Path) -> str:
    """What the user can do about a library that this machine lacks; empty for a module of code that travelled."""
    name = str(fault.name).partition(".")[0]
    if any((bundle_root / one).exists() for one in (name, f"{name}.py")):
        return ""
    return (
        f"{name} is not on this machine. If it is a library: python -m pip install {name} on your own computer; for "
        f"every machine write it as name==version into {REQUIREMENTS_NAME} beside the script. If it is a file of "
        "yours: add it to `include` in the section's card.\n"
    )


def no_room(working: Path, fault: BaseException) -> str:
    """What is said of a full disk."""
    return f"No room on the disk of {working} ({free_text(working)}): {fault}. Earlier checkpoints are untouched."
