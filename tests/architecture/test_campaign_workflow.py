"""The shipped campaign workflow never saves an incomplete state, and checks every state that it restores."""

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


def step_index(steps: list[dict[str, Any]], word: str) -> int:
    (index,) = [index for index, step in enumerate(steps) if word in f"{step.get('uses', '')} {step.get('run', '')}"]
    return index


def test_cache_is_saved_only_after_restore_and_tick_succeeded(steps: list[dict[str, Any]]) -> None:
    restore, tick = step_index(steps, "actions/cache/restore@"), step_index(steps, "campaign tick")
    save = step_index(steps, "actions/cache/save@")
    assert restore < tick < save
    condition = steps[save]["if"]
    assert "success()" in condition and "always()" not in condition and "steps.tick.outcome == 'success'" in condition
    assert steps[tick].get("id") == "tick" and "if" not in steps[tick]  # it runs only if the restore did not fail
    assert not any(step.get("continue-on-error") for step in steps)
    # `actions/cache` would save at the end of the job without these conditions.
    assert not any(step.get("uses", "").startswith("actions/cache@") for step in steps)


def test_tick_recovers_missing_parts_itself(steps: list[dict[str, Any]]) -> None:
    command = steps[step_index(steps, "campaign tick")]["run"]
    assert "--recover-missing" in command and "test -f" not in command and "sqlite" not in command


def test_saved_state_has_all_parts_and_a_unique_key(steps: list[dict[str, Any]], text: str) -> None:
    state = yaml.safe_load(text)["env"]["STATE"].split()
    parts = (
        ".orchestrator/ledger.sqlite",
        "validation_output/results",
        "validation_ch7/*/data",
        "validation_ch7/*/trials",
    )
    assert state == list(parts)
    save, restore = steps[step_index(steps, "cache/save@")], steps[step_index(steps, "cache/restore@")]
    assert save["with"]["path"] == restore["with"]["path"] == "${{ env.STATE }}"
    # A cache entry is never overwritten, so a second attempt at a job needs another key.
    assert save["with"]["key"] == restore["with"]["key"] and "github.run_attempt" in save["with"]["key"]


def test_workflow_and_docs_state_the_limits_of_scheduled_runs(text: str, project_root: Path) -> None:
    docs = (project_root / "docs/CAMPAIGNS.md").read_text(encoding="utf-8")
    for document in (text, docs):
        plain = " ".join(document.replace("#", " ").split())
        assert "60 days" in plain and "replaced by the next scheduled run" in plain
