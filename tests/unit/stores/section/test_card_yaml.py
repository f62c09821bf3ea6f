"""All faults of a card are reported at once, each with its key path and the nearest known name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.errors import BadInput
from orchestrator.stores.section.card_yaml import card_names, load_card, parse_card

Change = Callable[[dict[str, Any]], None]


def _card(project_root: Path) -> dict[str, Any]:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8")
    card: dict[str, Any] = yaml.safe_load(text)
    return card


def _parse(card: dict[str, Any]) -> None:
    parse_card(yaml.safe_dump(card), "section_7_6.yaml")


def test_the_shipped_cards_are_valid(project_root: Path) -> None:
    folder = project_root / "configs/sections"
    for name in card_names(folder):
        assert load_card(folder, name).section == name


def test_quick_and_full_are_the_same_training(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    assert card.profiles["quick"] != card.profiles["full"]
    assert card.network == (64, 64)
    assert len(card.lineage.id) == 64  # one lineage: profiles are not part of it


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(netwrk=[64]), "netwrk: unknown key, did you mean network?"),
        (lambda c: c["algorithms"]["DQN"].update(gama=0.9), "algorithms.DQN.gama: unknown key, did you mean gamma?"),
        (
            lambda c: c["profiles"]["quick"].update(target_step=9),
            "profiles.quick.target_step: unknown key, did you mean target_steps?",
        ),
        (lambda c: c["environment"].update(dx=9.0), "environment.dx: unknown key, did you mean dx_m?"),
        (lambda c: c["algorithms"]["DQN"].update(gamma=None), "algorithms.DQN.gamma: Input should be a valid number"),
        (lambda c: c["profiles"]["quick"].update(target_steps=-5), "target_steps must be above 0 and finite, not -5"),
        (lambda c: c["profiles"]["full"].update(target_steps="many"), "profiles.full.target_steps"),
        (lambda c: c.update(algorithm="DQNN"), "algorithm"),
        (lambda c: c["profiles"].pop("full"), "profiles needs both quick and full"),
        (lambda c: c.update(network=[]), "network needs at least one layer"),
        (lambda c: c.update(network=[64, 0]), "network needs at least one layer, each with at least one unit"),
    ],
)
def test_each_fault_is_named_with_its_path(project_root: Path, change: Change, words: str) -> None:
    card = _card(project_root)
    change(card)
    with pytest.raises(BadInput) as fault:
        _parse(card)
    assert words in str(fault.value)
    assert fault.value.remedy


def test_all_faults_are_reported_at_once(project_root: Path) -> None:
    card = _card(project_root)
    card["netwrk"] = 1
    card["algorithms"]["DQN"]["gama"] = 0.9
    card["profiles"]["quick"]["deadline_s"] = "soon"
    with pytest.raises(BadInput) as fault:
        _parse(card)
    assert len(str(fault.value).splitlines()) == 3


def test_a_number_in_scientific_notation_is_a_number(project_root: Path) -> None:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8")
    assert parse_card(text.replace("start: 5.0e-4", "start: 5e-4"), "section_7_6.yaml") == parse_card(
        text, "section_7_6.yaml"
    )


def test_a_duplicate_key_is_a_fault(project_root: Path) -> None:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8")
    with pytest.raises(BadInput, match="is given twice"):
        parse_card(text + "\nseed: 3\n", "section_7_6.yaml")


@pytest.mark.parametrize("text", ["a: [1", "\t- x", "3", "", "- a\n- b", "{}"])
def test_a_text_that_is_no_card_is_refused_with_its_file_name(text: str) -> None:
    with pytest.raises(BadInput) as fault:
        parse_card(text, "section_7_6.yaml")
    assert "section_7_6.yaml" in str(fault.value)


def test_an_unknown_section_is_refused_with_the_nearest_name(project_root: Path) -> None:
    with pytest.raises(BadInput) as fault:
        load_card(project_root / "configs/sections", "section_76")
    assert "section_7_6" in fault.value.remedy


def test_a_card_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "section_7_6.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        load_card(tmp_path, "section_7_6")
