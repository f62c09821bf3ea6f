"""Versions in the requirements of a new project, and where a scheduled job gets this program from."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from orchestrator.kernel.environment.requirements import requirements_of
from orchestrator.stores.scaffold.libraries import own_requirement, requirement_lines
from tests.conftest import PROJECT_ROOT


def test_installed_versions_come_first_then_the_tested_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"yaml": ["PyYAML"], "torch": ["torch"]})
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"PyYAML": "6.0.3", "torch": "2.13.0+cpu"}[name])
    tested = {
        one.name: one.version
        for one in requirements_of(PROJECT_ROOT, PurePosixPath("validation_ch7/section_7_6_rl_performance"))
    }
    lines = requirement_lines({"yaml", "torch", "stable_baselines3", "absent_one"})
    assert lines == [
        "# absent_one is imported and not installed here: write its library as name==version",
        f"stable-baselines3=={tested['stable-baselines3']}",
        "torch==2.13.0",
        "PyYAML==6.0.3",
    ]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (None, "arz-orchestrator==9.9"),
        ({"url": "file:///a/b", "dir_info": {"editable": True}}, None),
        ({"url": "file:///a/arz.whl", "archive_info": {}}, None),
        ({"url": "https://example.org/arz.whl", "archive_info": {}}, "arz-orchestrator @ https://example.org/arz.whl"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "arz-orchestrator @ git+https://example.org/a.git@abc",
        ),
        (
            {"url": "ssh://git@example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "arz-orchestrator @ git+ssh://git@example.org/a.git@abc",
        ),
        ({"url": "https://me:secret@example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, None),
    ],
)
def test_own_requirement_is_where_pip_got_it(
    monkeypatch: pytest.MonkeyPatch, recorded: dict[str, Any] | None, expected: str | None
) -> None:
    class Distribution:
        version = "9.9"

        def read_text(self, name: str) -> str | None:
            return None if recorded is None else json.dumps(recorded)

    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"orchestrator": ["arz-orchestrator"]})
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution())
    assert own_requirement() == expected


def test_code_without_installation_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {})
    assert own_requirement() is None
