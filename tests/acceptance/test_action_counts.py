"""Counts the costly actions of a session: code packed once, checkpoints surveyed twice, script rendered once."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from orchestrator.cli.main import main
from tests.conftest import PROJECT_ROOT
from tests.doubles.toy_section import make_toy_project, set_behaviour

PACKAGE = PROJECT_ROOT / "orchestrator"
COUNTED = {
    ("core/session/zip_archive.py", "pack"): "code packed",
    ("kernel/checkpoint/survey.py", "survey_checkpoints"): "checkpoints surveyed",
    ("core/session/script.py", "render_kernel"): "script rendered",
    ("core/checkpoint/compatibility.py", "compare"): "compatibility judged",
}
MAX_FILES = 134
"""Files of `orchestrator/` in which a tick runs code that collects one session and starts another, command line
included. A guard against growth: the aim is far lower."""


class Calls:
    """Counts the calls of the functions in `COUNTED`, and collects every file of the package that runs."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.files: set[str] = set()

    def __enter__(self) -> Calls:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        # Skip modules and class bodies, which run at import: only functions have the flag CO_OPTIMIZED (1).
        if event != "call" or not code.co_flags & 1 or not code.co_filename.startswith(f"{PACKAGE}/"):
            return
        name = Path(code.co_filename).relative_to(PACKAGE).as_posix()
        self.files.add(name)
        if what := COUNTED.get((name, code.co_name)):
            self.counts[what] += 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(make_toy_project(tmp_path)))
    return tmp_path


def run(*words: str) -> Calls:
    with Calls() as calls:
        assert main(["run", "section_7_6", "--quick", *words]) == 0
    return calls


@pytest.mark.parametrize("sessions", [1, 3])
def test_run_packs_and_renders_once_per_session(project: Path, sessions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.stores.checkpoint.own_files._TIME_STEP_NS", 0)  # as in a session of minutes
    set_behaviour(project, '{"1": {"do": "pause"}, "2": {"do": "pause"}}' if sessions == 3 else "{}")
    calls = run()
    assert calls.counts["code packed"] == calls.counts["script rendered"] == sessions
    assert calls.counts["checkpoints surveyed"] <= 2 * sessions
    assert calls.counts["compatibility judged"] <= sessions


def test_add_steps_packs_once_and_surveys_twice(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr("orchestrator.stores.checkpoint.own_files._TIME_STEP_NS", 0)  # treat files as old
    calls = run("--add-steps", "10")
    assert calls.counts["code packed"] == calls.counts["script rendered"] == 1
    assert calls.counts["checkpoints surveyed"] == 2
    assert calls.counts["compatibility judged"] == 1


def test_dry_run_packs_renders_surveys_and_compares_once(project: Path) -> None:
    run()
    calls = run("--add-steps", "10", "--dry-run")
    assert calls.counts["code packed"] == calls.counts["script rendered"] == 1
    assert calls.counts["checkpoints surveyed"] == calls.counts["compatibility judged"] == 1


CAMPAIGN = """
campaign: two
title: Two trainings, one slot
backend: local
concurrency: 1
assume: {steps_per_s: 6000, start_s: 5, save_s: 10}
trials: {main: {section: section_7_6, profile: quick, seeds: 3}}
"""


def test_tick_that_collects_and_starts_runs_at_most_max_files(project: Path) -> None:
    (project / "configs/campaigns").mkdir(parents=True)
    (project / "configs/campaigns/two.yaml").write_text(CAMPAIGN, encoding="utf-8")
    assert main(["campaign", "tick", "two"]) == 0
    calls = Calls()
    while not calls.counts["script rendered"]:  # until the first session has ended
        calls = Calls()
        with calls:
            assert main(["campaign", "tick", "two"]) == 0
    assert calls.counts["code packed"] == calls.counts["script rendered"] == 1
    assert calls.counts["checkpoints surveyed"] <= 4  # two trainings, each before and after
    assert len(calls.files) <= MAX_FILES, sorted(calls.files)
