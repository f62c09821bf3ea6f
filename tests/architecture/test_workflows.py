"""The workflows give no stranger a secret: read-only tokens, pinned actions, no secret in a run on a pull request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

_PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def workflows(root: Path) -> list[Path]:
    """The workflows of this repository, and the one that `init` writes."""
    return [*sorted((root / ".github" / "workflows").glob("*.y*ml")), root / "kernel_templates/project/workflow.yml.j2"]


def triggers(text: str) -> dict[str, Any]:
    """What starts a workflow; YAML 1.1 reads its key `on` as true."""
    plain = yaml.safe_load("\n".join(line for line in text.splitlines() if not line.startswith("[%")))
    return dict.fromkeys(plain[True]) if isinstance(plain[True], list | dict) else {plain[True]: None}


@pytest.fixture(scope="module")
def texts(project_root: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in workflows(project_root)}


def test_every_action_is_pinned_to_a_commit(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        used = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]
        assert used, name
        assert [line for line in used if not _PINNED.match(line)] == [], name


def test_tokens_can_only_read_and_are_not_kept_in_the_checkout(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        assert re.search(r"^permissions:\n  contents: read\n(?! )", text, re.MULTILINE), name
        assert text.count("permissions:") == 1 and "write-all" not in text, name
        assert text.count("actions/checkout@") == text.count("persist-credentials: false"), name


def test_no_workflow_with_a_secret_runs_on_a_pull_request(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        started_by = set(triggers(text))
        assert not started_by & {"pull_request_target", "workflow_run", "issue_comment", "issues"}, name
        if "secrets." in text or "environment:" in text:
            assert started_by <= {"schedule", "workflow_dispatch"}, name
            assert "environment: kaggle" in text, name  # its secrets are given to this job only


def test_only_the_tick_gets_the_secrets_and_no_input_reaches_a_shell(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        for step in re.split(r"\n      - ", text)[1:]:
            runs = step[step.find("run:") :] if "run:" in step else ""
            assert "${{" not in runs, name
            assert "secrets." not in step or "campaign tick" in runs, name
            assert not re.search(r"\benv\b\s*$|\bprintenv\b|set -x", runs, re.MULTILINE), name
