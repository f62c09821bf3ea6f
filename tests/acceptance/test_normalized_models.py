"""A2C normalizes observations: every model, in place and in the results, has its statistics beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.checkpoint.card import card_fault, read_card
from orchestrator.kernel.checkpoint.normalization_file import read_normalization
from tests.doubles.commands import orchestrate
from tests.doubles.real_section import make_real_project
from tests.doubles.toy_section import read_card_file, write_card

A2C = ("run", "section_7_6", "--json", "--quick", "--algorithm", "A2C")


@pytest.mark.prove
def test_every_model_of_two_sessions_has_its_own_statistics(tmp_path: Path) -> None:
    root = make_real_project(tmp_path / "project")
    card = read_card_file(root)
    card["algorithms"]["A2C"] |= {"selection_scenarios": 4}  # type: ignore[operator]  # a card is plain YAML
    card["profiles"]["quick"]["target_steps"] = 2000  # type: ignore[index]  # a card is plain YAML
    write_card(root, card)
    first = orchestrate(root, *A2C)
    assert first.json["end_reason"] == "finished", first.err
    again = orchestrate(root, *A2C, "--add-steps", "1000")
    assert (again.json["steps_start"], again.json["resume_grade"]) == (2000, "exact"), again.err

    (models,) = (root / "validation_ch7/section_7_6_rl_performance/trials").glob("*/data/models")
    results = sorted((root / "validation_output/results").glob("*/**/data/models"))
    for place in (models, *results):
        zips = sorted(path.relative_to(place).as_posix() for path in place.rglob("*.zip"))
        assert len(zips) == 4 and zips[0] == "best_model/best_model.zip", zips
        for name in zips:
            assert read_normalization(place / name).norm_obs, name
    best = models / "best_model/best_model.zip"
    assert card_fault(read_card(best.with_suffix(".json")), best.parent) is None
    inspected = orchestrate(root, "inspect", str(best), "--json")
    assert inspected.code == 0 and inspected.json["acting"]["statistics"]["state"] == "verified", inspected.err
    assert "(normalized)" in orchestrate(root, "status").out

    (best.parent / "best_model.vecnormalize.json").unlink()
    assert orchestrate(root, "inspect", str(best)).code == 1
    repaired = orchestrate(root, *A2C, "--add-steps", "1000")  # the next session restores the file
    assert repaired.json["resume_grade"] == "exact"
    assert orchestrate(root, "inspect", str(best)).code == 0
