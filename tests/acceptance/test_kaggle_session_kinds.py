"""GPU and CPU sessions of one campaign on the loopback service; and where a GPU has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_kaggle_commands import invoke, make_kernels_wait
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.emulator.loopback import loopback_kaggle

CAMPAIGN = """
campaign: kinds
backend: kaggle
{sessions}
trials:
  toy:
    section: section_7_6
    profile: quick
    seeds: {seeds}
"""
NOTHING = "A GPU has nothing to do for section_7_6: it computes on the CPU (kaggle.device: cpu)"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def write_campaign(project: KaggleProject, sessions: str, seeds: int = 4) -> None:
    text = CAMPAIGN.format(sessions=sessions, seeds=seeds)
    (project.root / "kinds.yaml").write_text(text, encoding="utf-8")


def tick(project: KaggleProject) -> Any:
    return invoke(project, "campaign", "tick", "kinds.yaml", "--json")


def machines(project: KaggleProject) -> list[tuple[bool, str | None]]:
    requests = [entry.request for entry in project.kaggle.journal.of("SaveKernel")]
    return [(request.get("enableGpu", False), request.get("machineShape")) for request in requests]


def test_one_tick_pushes_both_kinds_and_each_asks_for_its_machine(project: KaggleProject) -> None:
    gate = make_kernels_wait(project)
    write_campaign(project, "sessions: {gpu: 1, cpu: 2}")
    first = tick(project)
    assert first.code == 0, first.err
    assert sorted(machines(project), key=str) == [(False, None), (False, None), (True, "NvidiaTeslaT4")]
    assert "all 1 GPU and 2 CPU slots are in use" in first.err
    gate.touch()
    ran = invoke(project, "campaign", "run", "kinds.yaml")
    assert ran.code == 0, ran.err
    assert "kinds: 4 done" in ran.out


@pytest.mark.prove
def test_with_the_weekly_quota_spent_cpu_sessions_go_on(project: KaggleProject) -> None:
    make_kernels_wait(project).touch()
    project.kaggle.settings.gpu_used = project.kaggle.settings.weekly_gpu
    write_campaign(project, "sessions: {gpu: 2, cpu: 5}", seeds=2)
    ran = invoke(project, "campaign", "run", "kinds.yaml")
    assert ran.code == 0, ran.err
    assert machines(project) == [(False, None)] * 2


@pytest.mark.prove
def test_a_chain_stays_in_cpu_sessions_and_in_their_image(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    write_campaign(project, "sessions: {cpu: 1}", seeds=1)
    assert tick(project).code == 0
    write_campaign(project, "sessions: {gpu: 2, cpu: 1}", seeds=1)
    assert invoke(project, "campaign", "run", "kinds.yaml").code == 0
    assert [gpu for gpu, _ in machines(project)] == [False, False]
    requests = [entry.request for entry in project.kaggle.journal.of("SaveKernel")]
    assert requests[1]["dockerImage"] and "machineShape" not in requests[1]


@pytest.mark.prove
def test_a_training_that_began_on_a_gpu_is_not_moved_to_a_cpu_session(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    write_campaign(project, "sessions: {gpu: 1}", seeds=1)
    assert tick(project).code == 0
    write_campaign(project, "sessions: {cpu: 5}", seeds=1)
    plan = invoke(project, "campaign", "plan", "kinds.yaml")
    assert "The quota cannot be read" not in plan.out
    refused = invoke(project, "campaign", "run", "kinds.yaml")
    assert refused.code == 1
    assert "it began in GPU sessions, and the campaign's `sessions` has none" in refused.out
    assert [gpu for gpu, _ in machines(project)] == [True]
    assert "it began in GPU sessions" in invoke(project, "campaign", "status", "kinds.yaml").out


def test_doctor_and_dry_run_say_that_a_gpu_has_nothing_to_do(project: KaggleProject) -> None:
    assert "A GPU has nothing to do" not in invoke(project, "doctor").out
    card = read_card_file(project.root)
    write_card(project.root, {**card, "kaggle": {"device": "cpu"}})
    doctor = invoke(project, "doctor")
    assert doctor.code == 0 and NOTHING in doctor.out
    assert "5 at once, 12 h each, no weekly quota" in doctor.out
    dry = ("run", "section_7_6", "--quick", "--dry-run")
    shown = invoke(project, *dry, "--backend", "kaggle", "--json")
    assert shown.json["gpu"] is True and shown.json["gpu_advice"][0] == NOTHING and NOTHING in shown.err
    assert NOTHING not in orchestrate(project.root, *dry).out
    write_card(project.root, {**card, "kaggle": {"device": "cpu", "gpu": False}})
    assert "gpu_advice" not in invoke(project, *dry, "--backend", "kaggle", "--json").json
    assert NOTHING not in invoke(project, "doctor").out


def test_doctor_names_a_card_that_it_cannot_read(project: KaggleProject) -> None:
    write_card(project.root, {**read_card_file(project.root), "kaggle": {"gpus": True}})
    found = invoke(project, "doctor")
    assert "? section_7_6 GPU: not checked, its card is wrong" in found.out
