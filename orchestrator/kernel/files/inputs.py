"""Finds a session's inputs by content, in any folder and under any name, and copies them into place."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.kernel.files.digests import first_fault, sha256_file
from orchestrator.kernel.files.scan import Mounted, survey_mounts
from orchestrator.kernel.files.storage import is_full
from orchestrator.kernel.outcome import CarrierMissing
from orchestrator.kernel.wire import FileEntry

MAX_LISTED = 50
_LINE_CHARS = 90
_NAMED_FILES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """Mounted files that have the size of a promised file.

    Attributes:
        sources: sha256 of a promised file -> path of a file with that digest.
        others: Size -> number of files of that size with another digest.
        unread: Files that could not be read, and why.
    """

    sources: Mapping[str, Path]
    others: Mapping[int, int]
    unread: tuple[str, ...]


def place_inputs(entries: Sequence[FileEntry], *, search: Sequence[Path], models_dir: Path) -> None:
    """Copy every promised file from below `search` into the models directory.

    A carrier may rename files and a platform may move folders, so only size and sha256 are compared.

    Args:
        entries: The ticket's inputs, paths relative to the models directory. Empty for a fresh training.
        search: Folders to search, in this order.
        models_dir: Models directory of the training; must still be empty.

    Raises:
        CarrierMissing: A promised file was not found, or its copy is damaged. Training without it would silently
            start over. Nothing is copied unless every file was found.
    """
    if not entries:
        return
    mounted = survey_mounts(search)
    match = _match(entries, mounted)
    missing = [entry for entry in entries if entry.sha256 not in match.sources]
    if missing:
        raise CarrierMissing(_missing_report(missing, entries, match, mounted))
    for entry in entries:
        destination = models_dir / entry.path
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(match.sources[entry.sha256], destination)
        except OSError as fault:
            if is_full(fault):
                raise  # not the carrier's fault
            raise CarrierMissing(f"{entry.path} was found but could not be copied: {fault}") from fault
    damage = first_fault(entries, models_dir)
    if damage:
        raise CarrierMissing(f"after the copy from the input mount, {damage}")


def _match(entries: Sequence[FileEntry], mounted: Mounted) -> _Match:
    """Hash each file that has the size of a promised file which was not found yet."""
    promised: defaultdict[int, set[str]] = defaultdict(set)
    for entry in entries:
        promised[entry.size_bytes].add(entry.sha256)
    sources: dict[str, Path] = {}
    others: Counter[int] = Counter()
    unread: list[str] = []
    for file in mounted.files:
        wanted = promised.get(file.size_bytes, set()) - sources.keys()
        if not wanted:
            continue
        try:
            sha256 = sha256_file(file.path)
        except OSError as fault:
            unread.append(f"{file.name}: {fault.strerror or fault}")
            continue
        if sha256 in wanted:
            sources[sha256] = file.path
        else:
            others[file.size_bytes] += 1
    return _Match(sources=sources, others=others, unread=tuple(unread))


def _missing_report(missing: Sequence[FileEntry], entries: Sequence[FileEntry], match: _Match, mounted: Mounted) -> str:
    """Mounted, then unreadable, then missing files: the most important last, since a cut log keeps its end."""
    lines = [f"{len(mounted.files)}{' or more' if mounted.cut else ''} file(s) are mounted:"]
    lines += [f"  {file.size_bytes:>12} bytes  {file.name[-_LINE_CHARS:]}" for file in mounted.files[:MAX_LISTED]]
    if len(mounted.files) > MAX_LISTED:
        lines.append(f"  and {len(mounted.files) - MAX_LISTED} more")
    for reason in [*match.unread, *mounted.skipped][:_NAMED_FILES]:
        lines.append(f"not read: {reason[-_LINE_CHARS:]}")
    lines.append(f"{len(missing)} of {len(entries)} promised input(s) not found by content:")
    for entry in missing[:_NAMED_FILES]:
        same_size = match.others.get(entry.size_bytes, 0)
        found = f", {same_size} of that size with other bytes" if same_size else ""
        lines.append(f"  {entry.path} ({entry.size_bytes} bytes, sha256 {entry.sha256[:12]}{found})")
    if len(missing) > _NAMED_FILES:
        lines.append(f"  and {len(missing) - _NAMED_FILES} more")
    return "\n".join(lines)
