"""Kernel names (slugs) stay within the service's limits and are unique."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import BadInput
from orchestrator.core.section.lineage import Lineage
from orchestrator.core.section.size_limits import SECTION
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.slug import (
    MAX_SLUG_CHARS,
    WHOLE_IN_SLUG,
    is_pack,
    lineage_prefix,
    pack_slug,
    place_of_slug,
    section_prefix,
    session_of_slug,
    session_slug,
)

LINEAGES = st.text("0123456789abcdef", min_size=64, max_size=64)


def test_a_slug_follows_the_documented_pattern() -> None:
    assert session_slug("section_7_6", "0a1b2c3d" + "0" * 56, 1, 1) == "arz-validation-section-7-6-0a1b2c3d-s01"
    assert session_slug("section_7_6", "0a1b2c3d" + "0" * 56, 12, 3).endswith("-s12-a3")


@given(LINEAGES, st.integers(1, 999), st.integers(1, 9))
def test_a_slug_fits_and_equals_its_own_slug(lineage_id: str, session: int, attempt: int) -> None:
    slug = session_slug("section_7_6", lineage_id, session, attempt)
    assert len(slug) <= MAX_SLUG_CHARS
    assert re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-") == slug
    assert session_of_slug(slug, lineage_id) == session


@given(st.lists(st.tuples(LINEAGES, st.integers(1, 99), st.integers(1, 9)), unique_by=lambda p: (p[0][:8], p[1], p[2])))
def test_no_two_attempts_share_a_slug(places: list[tuple[str, int, int]]) -> None:
    slugs = [session_slug("section_7_6", *place) for place in places]
    assert len(set(slugs)) == len(slugs)


SECTIONS = st.from_regex(re.compile(SECTION), fullmatch=True)


@given(SECTIONS, LINEAGES, st.integers(1, 999), st.integers(1, 99))
def test_every_allowed_section_has_slugs_that_are_read_back(
    section: str, lineage_id: str, session: int, attempt: int
) -> None:
    if len(section) <= WHOLE_IN_SLUG:
        session, attempt = min(session, 99), min(attempt, 9)
    slug = session_slug(section, lineage_id, session, attempt)
    assert place_of_slug(slug, lineage_id) == (session, attempt)
    assert is_pack(pack_slug(slug)) and len(pack_slug(slug)) <= MAX_SLUG_CHARS
    assert slug.startswith(lineage_prefix(section, lineage_id)) and slug.startswith(section_prefix(section))
    if len(section) <= WHOLE_IN_SLUG:  # kernels of these names exist: not one byte may change
        whole = section.lower().replace("_", "-")
        tail = f"-a{attempt}" if attempt > 1 else ""
        assert slug == f"arz-validation-{whole}-{lineage_id[:8]}-s{session:02d}{tail}"


def test_a_long_section_is_shortened_and_no_other_training_has_its_slug() -> None:
    first, other = "section_7_7_robustness", "section_7_7_rob_of_noise"
    assert session_slug(first, "0a1b2c3d" * 8, 1, 1) == "arz-validation-section-7-7-rob-0a1b2c3d-s01"
    lineages = {
        name: Lineage(section=name, environment={}, algorithm=None, network=(), hyper_parameters={}, seed=1)
        for name in (first, other)
    }
    assert section_prefix(first) == section_prefix(other)  # so the lineage must tell them apart
    slugs = {session_slug(name, one.id, 1, 1) for name, one in lineages.items()}
    assert len(slugs) == 2
    assert place_of_slug(session_slug(first, lineages[first].id, 1, 1), lineages[other].id) is None


def test_a_cut_at_a_hyphen_leaves_one_hyphen() -> None:
    assert session_slug("fourteen_chars_more", "0" * 64, 1, 1) == "arz-validation-fourteen-chars-00000000-s01"


def test_numbers_that_would_be_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="50 are allowed"):
        session_slug("x" * 17, "0" * 64, 100_000, 2)


def test_a_slug_of_another_lineage_or_pattern_has_no_session() -> None:
    slug = session_slug("section_7_6", "a" * 64, 3, 1)
    assert session_of_slug(slug, "b" * 64) is None
    assert session_of_slug("arz-validation-76rlperformance-kphs", "a" * 64) is None


def test_a_handle_survives_its_text() -> None:
    handle = Handle(backend="kaggle", owner="elonmj", slug="arz-x-s01")
    assert str(handle) == "kaggle://elonmj/arz-x-s01"
    assert Handle.parse(str(handle)) == handle


@pytest.mark.parametrize("text", ["", "local", "local://", "local://x", "://a/b", "local://a/b/c"])
def test_an_invalid_handle_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Handle.parse(text)
