"""Names of sections from names of folders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.section.naming import MOST_CHARS, is_section_name, section_name
from orchestrator.core.session.slug import MAX_SLUG_CHARS, place_of_slug, session_slug

RESERVED = frozenset({"section_7_6", "orchestrator"})


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("cartpole", "cartpole"),
        ("CartPole v1", "cartpole_v1"),
        ("Été à l'école", "ete_a_l_ecole"),
        ("Œuvre", "oeuvre"),
        ("3 corps", "run_3_corps"),
        ("--a__b--", "a_b"),
        ("CON", "my_con"),
        ("lpt1", "my_lpt1"),
        ("orchestrator", "my_orchestrator"),
        ("section 7.6", "my_section_7_6"),
        ("実験", "training"),
        ("", "training"),
        ("a very long name of a folder", "a_very_long_name_of_a_folder"),
        ("a very long name of a folder with a model in it", "a_very_long_name_of_a_folder_with_a"),
        ("a" + "very" * 12 + "longword", "averyveryveryveryveryveryveryveryveryver"),
    ],
)
def test_name_is_as_close_to_the_folder_as_possible(folder: str, name: str) -> None:
    assert section_name(folder, RESERVED) == name


@given(st.text(max_size=60))
def test_every_folder_gives_a_name_that_every_session_can_carry(folder: str) -> None:
    name = section_name(folder, RESERVED)
    assert is_section_name(name, RESERVED)
    slug = session_slug(name, "0123abcd" * 8, 100, 10)
    assert len(slug) <= MAX_SLUG_CHARS and place_of_slug(slug, "0123abcd" * 8) == (100, 10)


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "a-b", "a__b", "a_", "nul", "é", "section_7_6", "a" * (MOST_CHARS + 1)]
)
def test_other_names_are_not_taken_as_they_are(name: str) -> None:
    assert not is_section_name(name, RESERVED)
