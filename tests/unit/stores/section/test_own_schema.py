"""A section's own schema: read by its path without its libraries; a broken one is a clear `BadInput`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.stores.section.card_yaml import load_card
from tests.doubles.second_section import CARD, SCHEMA, add_second_section

_HEAD = "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Schema:\n"


def load(root: Path, *, card: str = CARD, schema: str | None = SCHEMA) -> SectionCard:
    add_second_section(root, card, schema)
    return load_card(root / "configs/sections", "lake")


def test_own_keys_are_part_of_the_lineage_but_not_the_criteria(tmp_path: Path) -> None:
    card = load(tmp_path)
    lineage = card.lineage.to_json()
    assert lineage["lake"] == {"depth_m": 5.0, "kind": "salt", "layers": [3, 2]} and lineage["wind_m_s"] == 2.0
    assert lineage["settings"] == {"note": "calm", "limits": [1, 2]} and "criteria" not in lineage
    assert card.criteria_values == {"largest_error": 0.5} and card.scenario == "lake"
    assert next(card.lineage.ids_of([0])) == card.lineage.id
    assert next(card.lineage.ids_of([7])) == card.chosen(seed=7).lineage.id


def test_neither_the_package_nor_bytecode_is_touched(tmp_path: Path) -> None:
    load(tmp_path)
    assert "validation_ch7.lake" not in sys.modules
    assert not list((tmp_path / "validation_ch7").rglob("__pycache__"))


def test_a_changed_schema_is_read_again(tmp_path: Path) -> None:
    load(tmp_path)
    path = tmp_path / "validation_ch7/lake/schema.py"
    path.write_text(SCHEMA.replace("wind_m_s: float = 2.0", "wind_m_s: float = 9.0"), encoding="utf-8")
    assert load_card(tmp_path / "configs/sections", "lake").lineage.own["wind_m_s"] == 9.0


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("class Schema(:\n", "schema.py, line 1: "),
        ("import os\n\nimport numpy as np\n", "schema.py, line 3: it imports numpy"),
        ("from validation_ch7.lake.depths import DEPTHS\n", "line 1: it imports validation_ch7.lake.depths"),
        ("from .depths import DEPTHS\n", "line 1: it imports .depths"),
        ("x = 1\n", "declares no dataclass Schema"),
        ("class Schema:\n    depth: float\n", "declares no dataclass Schema"),
        ("raise RuntimeError('at sea')\n", "RuntimeError: at sea"),
        (_HEAD + "    seed: int\n", "Schema declares seed, which is a key of every card"),
        (_HEAD + "    lineage: int\n", "Schema declares lineage, which is a key of every card"),
        (_HEAD + "    lake: set[int]\n", "lake has the type set"),
        (_HEAD + "    lake: Nowhere\n", "Nowhere"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        (
            "from dataclasses import field\n" + _HEAD + "    a: int = field(init=False, default=1)\n",
            "a with init=False",
        ),
        ("from dataclasses import InitVar\n" + _HEAD + "    a: InitVar[int] = 1\n", "a as an InitVar"),
        ("from collections.abc import Mapping\n" + _HEAD + "    a: Mapping = None\n", "a has the type Mapping"),
    ],
)
def test_a_broken_schema_is_refused_with_its_file(tmp_path: Path, schema: str, words: str) -> None:
    with pytest.raises(BadInput) as fault:
        load(tmp_path, schema=schema)
    assert "schema.py" in str(fault.value) and words in str(fault.value) and fault.value.remedy


def test_a_check_that_fails_itself_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"schema\.py of the section fails .*ZeroDivisionError"):
        load(tmp_path, schema=SCHEMA.replace("if not self.depth_m > 0.0", "if 1 / (self.depth_m - 5.0)"))


def test_without_a_schema_only_settings_are_free(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as fault:
        load(tmp_path, schema=None)
    assert "lake: unknown key" in str(fault.value) and "criteria: unknown key" in str(fault.value)
    before, _, rest = CARD.partition("lake:\n")
    card = load(tmp_path / "plain", card=before + "profiles:" + rest.partition("profiles:")[2], schema=None)
    assert card.lineage.own == {"settings": {"note": "calm", "limits": [1, 2]}}
    assert card.lineage.environment == {} and card.lineage.algorithm is None


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    text = CARD.replace("depth_m: 5.0", "depth_m: .inf").replace("note: calm", "note: .nan")
    with pytest.raises(BadInput, match="finite"):
        load(tmp_path, card=text)
