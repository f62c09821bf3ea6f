"""The JSON Schema of cards accepts what `load_card` accepts, and refuses misspelled keys and values out of bounds."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.cli.main import main
from orchestrator.core.errors import BadInput
from orchestrator.core.section.size_limits import script_fault
from orchestrator.stores.section.card_schema import card_schema
from orchestrator.stores.section.card_yaml import load_card, read_yaml
from tests.doubles.commands import orchestrate
from tests.doubles.second_section import add_second_section
from tests.doubles.toy_section import make_toy_project

ROOT = Path(__file__).parents[4]
CARDS = ROOT / "configs/sections"
SHIPPED = sorted(CARDS.glob("*.yaml"))

OWN_SCHEMA = """\
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Lake:
    \"\"\"A lake.

    Attributes:
        depth_m: Depth at its
            deepest place, m.
    \"\"\"

    depth_m: float = field(metadata={"json_schema": {"exclusiveMinimum": 0}})
    kind: Literal["fresh", "salt"] = "fresh"
    shape: tuple[float, float] = (1.0, 2.0)
    names: tuple[str, ...] = ()
    inflows: Mapping[str, float | None] = field(default_factory=dict)
    limit_m: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class Schema:
    lake: Lake
    wind_m_s: float | None = None
"""


@cache
def shipped(section: str | None = None) -> dict[str, Any]:
    return card_schema(CARDS, section)


def plain_of(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"), path.name)
    return plain


def faults(schema: dict[str, Any], plain: Any) -> list[str]:
    return [one.message for one in _validator(json.dumps(schema)).iter_errors(plain)]


@cache
def _validator(schema: str) -> Any:
    """The validator of a schema that is valid itself; that check takes longer than all others."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema))
    return jsonschema.Draft202012Validator(json.loads(schema))


def edited(plain: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(plain)
    *above, leaf = key.split(".")
    block = changed
    for part in above:
        block = block[part]
    block[leaf] = value
    return changed


def lake_project(root: Path) -> Path:
    cards = root / "configs/sections"
    cards.mkdir(parents=True)
    (root / "lakes").mkdir()
    (root / "lakes/schema.py").write_text(OWN_SCHEMA, encoding="utf-8")
    (cards / "lake.yaml").write_text("section: lake\nscript: lakes/train.py\nlake: {depth_m: 5.0}\n", encoding="utf-8")
    (cards / "mine.yaml").write_text("section: mine\nscript: train.py\n", encoding="utf-8")
    return cards


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_card_fits_both_schemas(path: Path) -> None:
    plain = plain_of(path)
    assert faults(shipped(), plain) == []
    assert faults(shipped(path.stem), plain) == []
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


def test_the_committed_schema_equals_the_generated_one() -> None:
    committed = json.loads((CARDS / "schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(shipped()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sede", 1),
        ("trial", True),
        ("profiles.quick.target_step", 1),
        ("profiles.quick.target_steps", 0),
        ("profiles.quick.deadline_s", "long"),
        ("profiles", {"quick": {}}),
        ("algorithms.DQN.gama", 0.9),
        ("algorithms.DQN.gamma", 1.5),
        ("algorithms.DQN.gamma", 0),
        ("algorithms.DQN.n_envs", 65_537),
        ("algorithms.DQN.n_envs", 1.5),
        ("algorithms.DQN.learning_rate.start", 2.0),
        ("algorithm", "DNQ"),
        ("algorithms", {}),
        ("network", []),
        ("network", [0]),
        ("seed", -1),
        ("seed", 2**32),
        ("backend", "kagle"),
        ("kaggle", {"gpus": True}),
        ("kaggle", {"session_timeout_s": 43_201.0}),
        ("kaggle", {"wheelhouse": "wheels"}),
        ("environment.dx", 10.0),
        ("environment.dx_m", 0),
        ("environment.all_red_s", -1.0),
        ("criteria.min_delay_reduction_pct", 100.0),
        ("criteria.min_trainings", 0),
        ("environment.dx_m", "wide"),
        ("criteria.baseline", "none"),
        ("directory", "a/b"),
        ("entry_point", "orchestrator.kernel"),
        ("script", "train.py"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(key: str, value: Any, tmp_path: Path) -> None:
    plain = edited(plain_of(CARDS / "section_7_6.yaml"), key, value)
    assert faults(shipped(), plain)
    assert faults(shipped("section_7_6"), plain)
    (tmp_path / "section_7_6.yaml").write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(BadInput):
        load_card(tmp_path, "section_7_6")


@pytest.mark.parametrize(
    ("card", "fits"),
    [
        ({"script": "train.py"}, True),
        ({"entry_point": "mine.train"}, True),
        ({"script": "a/train.py", "entry_point": None}, True),
        ({"script": "train.py", "entry_point": "mine.train"}, False),
        ({}, False),
        ({"script": None}, False),
        ({"script": "train.py", "x-shared": {"any": 1}}, True),
        ({"script": "train.py", "profiles": {"quick": {"target_steps": 5}, "full": {}}}, True),
        ({"script": "train.py", "settings": {"any": [1, {"deep": None}]}, "include": ["a/*.npz"]}, True),
        ({"script": "train.py", "lake": {"depth_m": 1.0}}, False),
    ],
)
def test_a_script_or_an_entry_point(tmp_path: Path, card: dict[str, Any], fits: bool) -> None:
    cards = lake_project(tmp_path)
    plain = {"section": "mine", **card}
    (cards / "mine.yaml").write_text(json.dumps(plain), encoding="utf-8")
    assert [not faults(card_schema(cards, name), plain) for name in (None, "mine")] == [fits, fits]
    if fits:
        load_card(cards, "mine")
    else:
        with pytest.raises(BadInput):
            load_card(cards, "mine")


@pytest.mark.parametrize(
    "script",
    [
        *("train.py", "a/b/train.py", "Mes essais/entraînement.py", "orchestrator_demo.py", "..a/t.py"),
        *("a/orchestrator/t.py", "train", ".py", "a/.py", "../train.py", "./train.py", "a/../t.py", "/train.py"),
        *("a//t.py", "a\\t.py", "C:/t.py", "orchestrator.py", "orchestrator/t.py", "", "..", "a.py/"),
    ],
)
def test_the_pattern_of_a_script_agrees_with_the_loader(script: str) -> None:
    plain = {"section": "mine", "script": script}
    assert (faults(shipped(), plain) == []) is (script_fault(script) == "")


def test_a_section_has_its_own_keys_with_bounds_defaults_and_descriptions(tmp_path: Path) -> None:
    cards = lake_project(tmp_path)
    card = plain_of(cards / "lake.yaml")
    for schema in (card_schema(cards), card_schema(cards, "lake")):
        assert faults(schema, card) == []
        for key, value in (
            *(("lake.depth_m", 0), ("lake.kind", "sweet"), ("lake.shape", [1.0]), ("lake.names", "a")),
            *(("lake.inflows", {"a": "b"}), ("lake.deep", 1.0), ("wind", 1.0), ("lake", {})),
        ):
            assert faults(schema, edited(card, key, value)), key
        good = {"depth_m": 1, "shape": [1.0, 2], "names": ["a"], "inflows": {"a": None}}
        assert faults(schema, edited(card, "lake", good)) == []
        lake = schema["$defs"]["Lake"]
        assert lake["required"] == ["depth_m"]
        assert lake["properties"]["depth_m"]["description"] == "Depth at its deepest place, m."
        assert lake["properties"]["kind"] == {"enum": ["fresh", "salt"], "default": "fresh"}
        assert "default" not in lake["properties"]["limit_m"]
    assert faults(card_schema(cards, "mine"), {"section": "lake", "script": "train.py"})


@pytest.mark.parametrize("limits", ["0", "{1, 2}", '{"minimum": object()}', '{"minimum": float("inf")}'])
def test_limits_that_are_no_keywords_are_refused_by_name(tmp_path: Path, limits: str) -> None:
    cards = lake_project(tmp_path)
    text = OWN_SCHEMA.replace('{"exclusiveMinimum": 0}', limits)
    (tmp_path / "lakes/schema.py").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="depth_m: its metadata 'json_schema' is"):
        card_schema(cards, "lake")


def test_a_default_that_is_not_allowed_is_left_out(tmp_path: Path) -> None:
    cards = lake_project(tmp_path)
    text = OWN_SCHEMA.replace("default_factory=dict", "default_factory=lambda: 1 / 0")
    (tmp_path / "lakes/schema.py").write_text(text, encoding="utf-8")
    assert "default" not in card_schema(cards, "lake")["$defs"]["Lake"]["properties"]["inflows"]


@pytest.mark.parametrize("words", [(), ("--env", "CartPole-v1", "--algorithm", "PPO")])
def test_a_card_that_init_writes_fits(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert main(["init", str(tmp_path / "pond"), *words]) == 0
    cards = tmp_path / "pond/configs/sections"
    plain = plain_of(cards / "pond.yaml")
    assert [faults(card_schema(cards, name), plain) for name in (None, "pond")] == [[], []]


def test_reading_a_schema_imports_no_library_of_a_section(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator.stores.section.card_schema import card_schema; "
        f"card_schema(Path({str(CARDS)!r})); sys.exit(len({{'numpy', 'torch', 'validation_ch7'}} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_card_that_is_not_valid_yet_has_a_schema(tmp_path: Path) -> None:
    cards = lake_project(tmp_path)
    (cards / "lake.yaml").write_text("section: lake\nscript: lakes/train.py\nlaek: {}\n", encoding="utf-8")
    assert "lake" in card_schema(cards, "lake")["properties"]


def test_the_command_prints_it_and_refuses_an_unknown_section(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    add_second_section(root)
    schema = json.loads(orchestrate(root, "config", "schema").out)
    assert faults(schema, plain_of(root / "configs/sections/lake.yaml")) == []
    assert json.loads(orchestrate(root, "config", "schema", "lake").out)["properties"]["section"]["const"] == "lake"
    answer = orchestrate(root, "config", "schema", "lak")
    assert (answer.code, "Did you mean lake?" in answer.err) == (2, True)
