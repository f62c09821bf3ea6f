"""The pictures that sessions and reports wrote, for the page."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator.core.cache import Cache
from orchestrator.core.page.page import Picture
from orchestrator.core.page.source import Source
from orchestrator.kernel.files.atomic import walk
from orchestrator.stores.reporting.picture_content import without_metadata

MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}
MOST_PICTURES = 12
_OWN_CURVES, _BESIDE_OWN_CURVES = "learning_curves.svg", "trainings.csv"
_MOST_FILES = 20_000
_NAMED = 5
_read: Cache[tuple[Picture | None, str]] = Cache(2 * MOST_PICTURES)
"""Pictures that were read: a served page shows the same ones again and again."""


def pictures_in(
    folders: Sequence[tuple[Path, Source]], mask: Callable[[str], str], most_bytes: int
) -> tuple[tuple[Picture, ...], tuple[str, ...], tuple[str, ...]]:
    """The pictures below some folders.

    At most 12 pictures are kept; the largest are left out first.

    Args:
        folders: Each with the source of its pictures, in the order in which they are shown.
        mask: Hides the secrets in the text of an SVG.
        most_bytes: Of all pictures together.

    Returns:
        The pictures, sentences about those that cannot be shown, and sentences about those that would be too much.
    """
    found: list[tuple[Path, Source, int]] = []
    notes: list[str] = []
    for folder, source in folders:
        found += [(path, source, size) for path, size in sorted(_below(folder, source, notes))]
    kept, dropped = list(found), list[tuple[Path, Source, int]]()
    while len(kept) > MOST_PICTURES or sum(size for _, _, size in kept) > most_bytes:
        dropped.append(max(kept, key=lambda one: one[2]))
        kept.remove(dropped[-1])
    pictures: list[Picture] = []
    for path, source, _ in kept:
        picture, fault = _kept_picture(path, source, mask)
        if picture is not None:
            pictures.append(picture)
        else:
            notes.append(_unread(path, source, fault))
    return tuple(pictures), tuple(notes), (_left_out(dropped),) if dropped else ()


def _left_out(dropped: Sequence[tuple[Path, Source, int]]) -> str:
    """Which pictures are left out because of their size, the largest first."""
    named = ", ".join(f"{path.name} ({size / 1e6:.1f} MB)" for path, _, size in dropped[:_NAMED])
    more = f" and {len(dropped) - _NAMED} more" if len(dropped) > _NAMED else ""
    return f"Pictures: {named}{more}."


def _unread(path: Path, source: Source, fault: str) -> str:
    return f"The picture {path.name} of {source.session} is left out: {fault}."


def _why(fault: OSError) -> str:
    return f"it cannot be read ({fault.strerror or fault})"


def _below(folder: Path, source: Source, notes: list[str]) -> Iterator[tuple[Path, int]]:
    """The picture files below a folder with their sizes in bytes, without those that the report itself drew.

    Links are not followed.

    Args:
        notes: Receives a sentence about each picture that cannot be read, and about those that are not looked for.
    """

    def unread(fault: OSError) -> None:
        if not isinstance(fault, FileNotFoundError):  # a training need not write any result
            notes.append(f"Pictures of {source.session} are left out: {Path(fault.filename).name} cannot be read.")

    seen = 0
    for place, _, names in walk(folder, unread):
        for name in names:
            seen += 1
            path = Path(place, name)
            if seen > _MOST_FILES:
                notes.append(
                    f"{source.session} wrote more than {_MOST_FILES} files: pictures are looked for in that many."
                )
                return
            if path.suffix.lower() not in MEDIA_TYPES:
                continue
            try:
                found = path.lstat()
                own = name == _OWN_CURVES and path.with_name(_BESIDE_OWN_CURVES).is_file()
            except OSError as fault:  # a session that runs may delete it
                notes.append(_unread(path, source, _why(fault)))
                continue
            if stat.S_ISREG(found.st_mode) and not own:
                yield path, found.st_size


def _kept_picture(path: Path, source: Source, mask: Callable[[str], str]) -> tuple[Picture | None, str]:
    try:
        found = path.stat()
    except OSError as fault:
        return None, f"it cannot be read ({fault.strerror or fault})"
    state = (found.st_ino, found.st_size, found.st_mtime_ns, source, mask)
    return _read.get(path, state, lambda: _picture(path, source, mask))


def _picture(path: Path, source: Source, mask: Callable[[str], str]) -> tuple[Picture | None, str]:
    suffix = path.suffix.lower()
    try:
        content = path.read_bytes()
    except OSError as fault:
        return None, _why(fault)
    if suffix == ".svg":
        content = mask(content.decode("utf-8", "replace")).encode()
    shown = without_metadata(suffix, content)
    if shown is None:
        return None, f"it is no {suffix[1:].upper()} picture"
    data = base64.b64encode(shown).decode("ascii")
    return Picture(title=path.stem, media_type=MEDIA_TYPES[suffix], data=data, source=source), ""
