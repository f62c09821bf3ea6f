"""Texts about the user's own files in a models directory: those that no checkpoint card describes."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.checkpoint.log_messages import TAG

SHOWN_FILES = 50
OWN_FILES_ADVICE = (
    "No card describes them, so no run resumes from them. To use such a model, load it in a script of your own; "
    "`run ... --fresh` moves them to the archive."
)


def shown_name(name: str) -> str:
    """A file name as one printable line, whatever its bytes are."""
    return name if name.isprintable() else ascii(name)[1:-1]


def named(names: Sequence[str]) -> tuple[str, ...]:
    """One line for each file; a long list is cut and ends with the number of the rest."""
    lines = [f"  - {shown_name(name)}" for name in names[:SHOWN_FILES]]
    if len(names) > SHOWN_FILES:
        lines.append(f"  - and {len(names) - SHOWN_FILES} more (`status --json` lists all)")
    return tuple(lines)


def own_files(names: Sequence[str], root: str) -> tuple[str, ...]:
    """What a run prints about own files in place; empty without any."""
    if not names:
        return ()
    return (
        f"{TAG} {len(names)} file(s) of your own in {shown_name(root)} are kept and not used for training:",
        *(f"{TAG} {line}" for line in named(names)),
        f"{TAG} {OWN_FILES_ADVICE}",
    )


def archived_too(names: Sequence[str]) -> tuple[str, ...]:
    """What is printed about own files that were archived with the rest; empty without any."""
    if not names:
        return ()
    return (f"{TAG} {len(names)} of them are files of your own:", *(f"{TAG} {line}" for line in named(names)))


def in_the_way(paths: Sequence[str]) -> tuple[str, ...]:
    """What a restore prints about own files that had the name of a restored one; empty without any."""
    if not paths:
        return ()
    return (
        f"{TAG} {len(paths)} file(s) of your own had the name of a new one, and were moved to the archive:",
        *(f"{TAG} {line}" for line in named(paths)),
    )
