"""`doctor --first-session`: every doubt about Kaggle becomes a row that is decided, or says why it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.kaggle.diagnosis.doubts import Doubt
from orchestrator.backends.kaggle.diagnosis.probe import READY
from orchestrator.backends.kaggle.diagnosis.probe_sessions import Durations
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.wiring.kaggle import kaggle_first_session
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, loopback_variables, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

SHORT = Durations(lines=3, pause_s=0.2, wait_s=60.0, limit_s=60, patience_s=120.0, visible_s=1.0)
OPEN = {Doubt.ACCELERATOR}
"""Rows that a CPU session cannot decide."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    for module in ("leftovers", "watching", "probe_dataset"):
        monkeypatch.setattr(f"orchestrator.backends.kaggle.diagnosis.{module}._LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("orchestrator.backends.kaggle.diagnosis.readings._MEMORY_GB", 0.1)
    monkeypatch.setattr("orchestrator.backends.kaggle.diagnosis.readings._CPUS", 1)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings(limits_met_at={60: READY})) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def report() -> tuple[dict[str, Check], list[Check], dict[str, Any]]:
    """Rows by doubt, the other rows, and the facts."""
    rows, facts, _ = kaggle_first_session(lambda line: None, SHORT)
    names = {doubt.value for doubt in Doubt}
    return {row.name: row for row in rows if row.name in names}, [row for row in rows if row.name not in names], facts


def test_every_doubt_is_a_row_and_most_are_decided(project: KaggleProject) -> None:
    rows, others, facts = report()
    assert list(rows) == [doubt.value for doubt in Doubt]
    assert {name for name, row in rows.items() if row.good is None} == OPEN, rows
    assert all(row.good for name, row in rows.items() if name not in OPEN), rows
    assert "cannot be decided here" in rows[Doubt.ACCELERATOR].found
    assert "equal bytes" in rows[Doubt.KERNEL_OUTPUT].found
    assert "listed as sent" in rows[Doubt.DATASET].found
    assert rows[Doubt.CANCEL].found == "CANCEL_ACKNOWLEDGED; outputs kept"
    assert rows[Doubt.TIME_LIMIT].found == "ERROR; outputs kept"
    assert [(row.name, row.good) for row in others] == [("deleted", True)] * 3
    assert (project.kaggle.kernels.all, project.kaggle.kernels.runs) == ({}, 3)
    assert not any(push.request.get("enableGpu") for push in project.kaggle.journal.of("SaveKernel"))
    assert facts["machine"]["found"]


def test_the_report_names_neither_user_nor_secret(project: KaggleProject) -> None:
    answer = orchestrate(project.root, "doctor", "--first-session", "--json", **loopback_variables())
    whole = json.dumps(answer.json)
    assert not re.search(rf"\b{USER}\b", whole) and KEY not in whole
    assert "<user>, by legacy key" in whole and str(Path.home()) not in whole
    assert {row["name"] for row in answer.json["first_session"]["rows"]} >= {doubt.value for doubt in Doubt}
    assert "live log" in answer.err and "✓ kernel output" in answer.err


def test_the_dataset_is_sent_once(project: KaggleProject) -> None:
    report()
    uploads = project.kaggle.journal.counts["StartBlobUpload"]
    report()
    assert project.kaggle.journal.counts["StartBlobUpload"] == uploads == 2


@pytest.mark.parametrize("mounts", [True, False])
def test_mounts_are_found_wherever_they_are(project: KaggleProject, mounts: bool) -> None:
    project.kaggle.settings.new_mounts = mounts
    rows, _, _ = report()
    assert rows[Doubt.KERNEL_OUTPUT].good and rows[Doubt.DATASET].good and rows[Doubt.WHEELHOUSE].good


def test_outputs_that_are_not_mounted_fail_their_row(project: KaggleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project.kaggle.kernels, "_source", lambda ref: None)
    rows, _, _ = report()
    assert rows[Doubt.KERNEL_OUTPUT].good is False
    assert "not found" in rows[Doubt.KERNEL_OUTPUT].found and rows[Doubt.KERNEL_OUTPUT].remedy
    assert rows[Doubt.DATASET].good


@pytest.mark.prove
def test_a_dataset_that_is_never_ready_leaves_its_rows_open(project: KaggleProject) -> None:
    project.kaggle.settings.processing_looks = 10**6
    rows, _, _ = kaggle_first_session(lambda line: None, replace(SHORT, patience_s=8.0))
    found = {row.name: row for row in rows}
    assert found[Doubt.DATASET].good is None and found[Doubt.WHEELHOUSE].good is None
    assert found[Doubt.KERNEL_OUTPUT].good


def test_a_log_that_breaks_is_a_failed_row_and_stops_nothing(project: KaggleProject) -> None:
    project.kaggle.settings.stream_events = 2
    rows, _, _ = kaggle_first_session(lambda line: None, replace(SHORT, wait_s=2.0))
    found = {row.name: row for row in rows}
    assert found[Doubt.LOG].good is False and "did not end by itself" in found[Doubt.LOG].found
    assert found[Doubt.KERNEL_OUTPUT].good


@pytest.mark.parametrize(("number", "name"), [(1, "first session"), (2, "second session"), (3, "third session")])
def test_a_refused_push_is_reported_and_nothing_stays(project: KaggleProject, number: int, name: str) -> None:
    project.kaggle.faults.add("SaveKernel", when=lambda push: push["slug"].endswith(f"s0{number}"), status=400)
    rows, others, _ = report()
    assert [row.name for row in others if row.good is False] == [name]
    assert rows[Doubt.KERNEL_OUTPUT].good is (True if number == 3 else None)
    assert rows[Doubt.TIME_LIMIT].good is (True if number == 2 else None)
    assert not project.kaggle.kernels.all


def test_outputs_lost_at_the_time_limit_are_said(project: KaggleProject) -> None:
    project.kaggle.settings.keep_outputs_of_killed = False
    rows, _, _ = report()
    assert rows[Doubt.TIME_LIMIT].found == "ERROR; outputs lost"
    assert "Nothing depends on it" in rows[Doubt.TIME_LIMIT].remedy


def test_a_session_without_a_number_leaves_cancel_open(project: KaggleProject) -> None:
    project.kaggle.settings.container_name = ""
    rows, _, _ = kaggle_first_session(lambda line: None, replace(SHORT, wait_s=1.0))
    (row,) = [row for row in rows if row.name == Doubt.CANCEL]
    assert row.good is None and "did not show its number" in row.found
    assert not project.kaggle.journal.of("CancelKernelSession")


def test_a_refused_cancel_fails_its_row(project: KaggleProject) -> None:
    project.kaggle.faults.add("CancelKernelSession", status=403)
    rows, _, _ = kaggle_first_session(lambda line: None, replace(SHORT, wait_s=1.0))
    (row,) = [row for row in rows if row.name == Doubt.CANCEL]
    assert row.good is False and "HTTP 403" in row.found and row.remedy


def test_an_interrupt_deletes_what_was_pushed(project: KaggleProject) -> None:
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if line.startswith("One more session"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kaggle_first_session(progress, SHORT)
    assert said[-1] == "Deleting the kernels"
    assert not project.kaggle.kernels.all


def test_what_cannot_be_deleted_is_named(project: KaggleProject) -> None:
    project.kaggle.faults.add("DeleteKernel", status=403, lasting=True)
    _, others, _ = report()
    assert all(
        row.good is False and "https://www.kaggle.com/code/<user>/orchestrator-first-session-" in row.remedy
        for row in others
    )
    assert len(others) == len(project.kaggle.kernels.all) == 3


def test_spent_quota_hinders_nothing(project: KaggleProject) -> None:
    project.kaggle.settings.gpu_used = timedelta(hours=30)
    rows, _, _ = report()
    assert rows[Doubt.QUOTA].good and rows[Doubt.KERNEL_OUTPUT].good


def test_the_documents_list_every_row() -> None:
    text = (PROJECT_ROOT / "docs/KAGGLE.md").read_text("utf-8")
    listed = re.findall(r"(?m)^\| `([a-z ]+)` \|", text.partition("## What the first session decides")[2])
    assert listed == [doubt.value for doubt in Doubt]
