"""Names of sessions on a backend. A slug is made from lineage, session and attempt, so none is used twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.section.lineage import short
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.wire import CHECKPOINTS, NORMALIZATION_SUFFIX, Ticket, checkpoint_stem, models_path

MAX_SLUG_CHARS = 50
"""Kaggle's limit. The title must slugify to the slug, so we send the slug as the title."""

_SLUG = re.compile(
    r"^arz-validation-(?P<section>[a-z0-9-]+)-(?P<lineage8>[0-9a-f]{8})-s(?P<session>\d{2,})(?:-a(?P<attempt>\d+))?$"
)


_PACK_TAIL = "-p"

WHOLE_IN_SLUG = 17
"""Longest section name that a slug carries whole: the other parts of a slug take 33 of its 50 characters."""

_SHORTENED = 15
"""Characters that a slug carries of a longer name: two fewer, so that the tail of a pack always fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A session's place in its run: which run, which session, which attempt."""

    run_id: str
    session: int
    attempt: int


def session_slug(section: str, lineage_id: str, session: int, attempt: int) -> str:
    """Kernel name of one attempt at a session.

    Raises:
        ValueError: The numbers of session and attempt are too long for the service's limit of 50 characters.
    """
    tail = f"-a{attempt}" if attempt > 1 else ""
    slug = f"{lineage_prefix(section, lineage_id)}s{session:02d}{tail}"
    if len(slug) > MAX_SLUG_CHARS:
        raise ValueError(f"kernel name {slug!r} has {len(slug)} characters, {MAX_SLUG_CHARS} are allowed")
    return slug


def pack_slug(first: str) -> str:
    """Name of a kernel that several sessions share.

    Args:
        first: Slug of the first of them.

    Raises:
        ValueError: The name is too long for the service.
    """
    slug = f"{first}{_PACK_TAIL}"
    if len(slug) > MAX_SLUG_CHARS:
        raise ValueError(f"kernel name {slug!r} has {len(slug)} characters, {MAX_SLUG_CHARS} are allowed")
    return slug


def is_pack(slug: str) -> bool:
    """Whether this is the name of a kernel that several sessions share."""
    return slug.endswith(_PACK_TAIL) and _SLUG.match(slug.removesuffix(_PACK_TAIL)) is not None


def own_slug(handle: Handle, ticket: Ticket) -> str:
    """A session's own name: that of its kernel, in a pack the name that its kernel would have alone."""
    if handle.member is None:
        return handle.slug
    return session_slug(ticket.section, ticket.lineage_id, ticket.session, ticket.attempt)


def section_prefix(section: str) -> str:
    """Prefix of every kernel name of a section. Another section may share it: the lineage, which follows, differs.

    A name of more than 17 characters is cut: `section_7_7_robustness` becomes `section-7-7-rob`.
    """
    part = section.lower().replace("_", "-")
    if len(part) > WHOLE_IN_SLUG:
        part = part[:_SHORTENED].rstrip("-")
    return f"arz-validation-{part}-"


def lineage_prefix(section: str, lineage_id: str) -> str:
    """Prefix of every kernel name of a lineage."""
    return f"{section_prefix(section)}{short(lineage_id)}-"


def place_of_slug(slug: str, lineage_id: str) -> tuple[int, int] | None:
    """Session and attempt number in a slug of this lineage, None for any other name."""
    match = _SLUG.match(slug)
    if match is None or match["lineage8"] != short(lineage_id):
        return None
    return int(match["session"]), int(match["attempt"] or 1)


def session_of_slug(slug: str, lineage_id: str) -> int | None:
    """Session number in a slug of this lineage, None for any other name."""
    place = place_of_slug(slug, lineage_id)
    return place[0] if place else None


def results_folder(owner: str, slug: str) -> str:
    """Folder of a session's outputs below `validation_output/results/`."""
    return f"{owner}_{slug}"


def longest_inner_chars(section: str, directory: str, scenario: str) -> int:
    """Characters of the longest path below a project that a run of a section makes: a checkpoint in its sandbox."""
    sandbox = Path(".orchestrator", "local", session_slug(section, "0" * 64, 99, 9), "kaggle", "working")
    name = f".partial-{checkpoint_stem(scenario, 10**9)}{NORMALIZATION_SUFFIX}"
    return len(str(models_path(sandbox, directory) / CHECKPOINTS / name))
