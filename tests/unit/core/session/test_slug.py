"""Kernel names (slugs) stay within the service's limits and are unique."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.slug import MAX_SLUG_CHARS, session_of_slug, session_slug

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


def test_a_name_that_would_be_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="50 are allowed"):
        session_slug("section_" + "x" * 30, "0" * 64, 1, 1)


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
