"""The shipped job of a campaign: no torn copy is ever saved, and none that comes back is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def text(project_root: Path) -> str:
    return (project_root / ".github/workflows/campaign.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def steps(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(text)["jobs"]["tick"]["steps"]
    return found


def place_of(steps: list[dict[str, Any]], word: str) -> int:
    (place,) = [place for place, step in enumerate(steps) if word in f"{step.get('uses', '')} {step.get('run', '')}"]
    return place


def test_the_cache_is_saved_only_after_restore_and_tick_have_succeeded(steps: list[dict[str, Any]]) -> None:
    restore, tick = place_of(steps, "actions/cache/restore@"), place_of(steps, "campaign tick")
    save = place_of(steps, "actions/cache/save@")
    assert restore < tick < save
    condition = steps[save]["if"]
    assert "success()" in condition and "always()" not in condition and "steps.tick.outcome == 'success'" in condition
    assert steps[tick].get("id") == "tick" and "if" not in steps[tick]  # it runs only if the restore did not fail
    assert not any(step.get("continue-on-error") for step in steps)
    # The action that saves by itself at the end of a job would do so without asking.
    assert not any(step.get("uses", "").startswith("actions/cache@") for step in steps)


def test_the_tick_itself_checks_all_parts(steps: list[dict[str, Any]]) -> None:
    command = steps[place_of(steps, "campaign tick")]["run"]
    assert "--recover-missing" in command and "test -f" not in command and "sqlite" not in command


def test_a_copy_has_all_parts_and_a_name_of_its_own(steps: list[dict[str, Any]], text: str) -> None:
    state = yaml.safe_load(text)["env"]["STATE"].split()
    parts = (
        ".orchestrator/ledger.sqlite",
        "validation_output/results",
        "validation_ch7/*/data",
        "validation_ch7/*/trials",
    )
    assert state == list(parts)
    save, restore = steps[place_of(steps, "cache/save@")], steps[place_of(steps, "cache/restore@")]
    assert save["with"]["path"] == restore["with"]["path"] == "${{ env.STATE }}"
    # A saved copy is never overwritten: a second attempt at a job needs another name.
    assert save["with"]["key"] == restore["with"]["key"] and "github.run_attempt" in save["with"]["key"]


def test_what_the_service_does_by_itself_is_said(text: str, project_root: Path) -> None:
    docs = (project_root / "docs/CAMPAIGNS.md").read_text(encoding="utf-8")
    for said in (text, docs):
        plain = " ".join(said.replace("#", " ").split())
        assert "60 days" in plain and "replaced by the next scheduled run" in plain
