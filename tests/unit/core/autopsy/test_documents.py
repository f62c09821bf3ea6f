"""The documents list every verdict, in the order of the program, in both languages."""

from __future__ import annotations

import re

import pytest

from orchestrator.core.autopsy.verdicts import AutopsyVerdict
from tests.conftest import PROJECT_ROOT


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("docs/YOUR_OWN.md", "### Why a run ended"),
        ("docs/YOUR_OWN.fr.md", "### Pourquoi un entraînement s'est arrêté"),
    ],
)
def test_the_table_of_a_page_has_every_verdict(page: str, heading: str) -> None:
    section = (PROJECT_ROOT / page).read_text(encoding="utf-8").split(heading)[1].split("\n### ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    assert rows == ["verdict", *(verdict.words for verdict in AutopsyVerdict)]
