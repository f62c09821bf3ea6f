"""What is said of files in a models directory that no checkpoint card names: they are the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.checkpoint.log_messages import TAG

SHOWN_FILES = 50
OWN_FILES_ADVICE = (
    "No card describes them, so no run resumes from them. To use such a model, load it in a script of your own; "
    "`run ... --fresh` moves them to the archive."
)


def shown_name(name: str) -> str:
    """A file name as one line of text that every terminal can print, whatever its bytes are."""
    return name if name.isprintable() else ascii(name)[1:-1]


def named(names: Sequence[str]) -> tuple[str, ...]:
    """One line for each file, the rest of a long list as their number."""
    lines = [f"  - {shown_name(name)}" for name in names[:SHOWN_FILES]]
    if len(names) > SHOWN_FILES:
        lines.append(f"  - and {len(names) - SHOWN_FILES} more (`status --json` lists all)")
    return tuple(lines)


def own_files(names: Sequence[str], root: str) -> tuple[str, ...]:
    """What a run says of own files that are in place; nothing where there are none."""
    if not names:
        return ()
    return (
        f"{TAG} {len(names)} file(s) of your own in {shown_name(root)} are kept and not used for training:",
        *(f"{TAG} {line}" for line in named(names)),
        f"{TAG} {OWN_FILES_ADVICE}",
    )


def archived_too(names: Sequence[str]) -> tuple[str, ...]:
    """What is said of own files that went to the archive with the rest; nothing where there were none."""
    if not names:
        return ()
    return (f"{TAG} {len(names)} of them are files of your own:", *(f"{TAG} {line}" for line in named(names)))


def in_the_way(paths: Sequence[str]) -> tuple[str, ...]:
    """What a restore says of own files that had the name of a new one; nothing where there were none."""
    if not paths:
        return ()
    return (
        f"{TAG} {len(paths)} file(s) of your own had the name of a new one, and were moved to the archive:",
        *(f"{TAG} {line}" for line in named(paths)),
    )
