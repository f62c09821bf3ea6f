"""One campaign on this computer and on the loopback Kaggle: both are filled, and a training moves between them."""

from __future__ import annotations

import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.acceptance.test_kaggle_commands import invoke, make_kernels_wait
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.acceptance.test_kaggle_section_7_6 import make_project, policies
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, loopback_variables, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.emulator.loopback import loopback_kaggle

CAMPAIGN = """
campaign: several
backends: {{kaggle: {{sessions: {{cpu: 2}}}}, local: {{sessions: 1}}}}
trials:
  toy: {{section: section_7_6, profile: quick, seeds: {seeds}}}
"""
MODELS = "validation_ch7/section_7_6_rl_performance/data/models"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def write_campaign(root: Path, seeds: int) -> None:
    (root / "several.yaml").write_text(CAMPAIGN.format(seeds=seeds), encoding="utf-8")


def sessions(root: Path) -> list[SessionRecord]:
    ledger = SqliteLedger(root / ".orchestrator/ledger.sqlite")
    try:
        return list(ledger.sessions())
    finally:
        ledger.close()


def test_one_tick_fills_both_and_every_command_works_with_sessions_of_both(project: KaggleProject) -> None:
    gate = make_kernels_wait(project)
    write_campaign(project.root, seeds=4)
    first = invoke(project, "campaign", "tick", "several.yaml", "--json")
    assert first.code == 0, first.err
    assert Counter(one.backend for one in sessions(project.root)) == {"kaggle": 2, "local": 1}
    plain = invoke(project, "campaign", "status", "several.yaml", "--json").json
    assert {name: row["in_flight"] for name, row in plain["backends"].items()} == {"kaggle": 2, "local": 1}
    assert Counter(row["backend"] for row in plain["all_trials"]) == {"kaggle": 2, "local": 1, None: 1}
    lines = invoke(project, "campaign", "status", "several.yaml").out
    assert lines.count(": live on kaggle, ") == 2 and lines.count(": live on local, ") == 1 and ": waiting, " in lines
    shown = invoke(project, "campaign", "plan", "several.yaml").out
    assert "several on kaggle, local: 4 trials in 1 variants, 2 CPU on kaggle and 1 on local session(s)" in shown
    assert "  on kaggle: 2 CPU at a time, 2 in flight" in shown and "  on local: 1 at a time, 1 in flight" in shown
    (here,) = [one for one in sessions(project.root) if one.backend == "local"]
    on_kaggle = next(one for one in sessions(project.root) if one.backend == "kaggle")
    seed = on_kaggle.ticket["spec"]["lineage"]["seed"]
    doubled = invoke(project, "run", "section_7_6", "--quick", "--seed", str(seed), "--backend", "local")
    assert doubled.code == 2 and f"{on_kaggle.slug} of this training is in flight on kaggle" in doubled.err
    seed = here.ticket["spec"]["lineage"]["seed"]
    cancelled = invoke(project, "cancel", "section_7_6", "--seed", str(seed))
    assert cancelled.code == 0 and here.slug in cancelled.out + cancelled.err
    gate.touch()
    ran = invoke(project, "campaign", "run", "several.yaml", "--every-s", "0.2")
    assert (ran.code == 1 and "several: 3 done, 1 failed" in ran.out) or "1 failed, 3 done" in ran.out, ran.out
    why = invoke(project, "why", here.slug)
    assert why.code == 0 and "Verdict: cancelled" in why.out and f"--backend local --seed {seed}" in why.out
    swept = invoke(project, "campaign", "sweep", "several.yaml", "--dry-run")
    assert swept.code == 0 and "one of the newest 2" in swept.out
    assert invoke(project, "campaign", "report", "several.yaml").code == 0
    assert (project.root / "validation_output/campaigns/several/report.html").is_file()


def test_without_an_account_the_other_backend_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_toy_project(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path))
    write_campaign(root, seeds=1)
    first = orchestrate(root, "campaign", "tick", "several.yaml", "--json")
    assert first.code == 0, first.err
    assert first.json["troubles"][0].startswith("kaggle cannot be used now: no Kaggle credentials on this computer")
    assert len(first.json["troubles"]) == 1 and [one.backend for one in sessions(root)] == ["local"]
    ran = orchestrate(root, "campaign", "run", "several.yaml", "--every-s", "0.2")
    assert ran.code == 0 and "several: 1 done" in ran.out
    assert orchestrate(root, "campaign", "status", "several.yaml").code == 0
    assert orchestrate(root, "campaign", "tick", "several.yaml", "--recover").code == 4


def carry(root: Path, file: str, *order: str, timeout_s: float = 100.0, valid: bool = True) -> None:
    """Tick a campaign of one training until it is over: session after session, each on the next of the backends.

    Args:
        valid: Whether its result must be valid; a training of some thousand steps may end with a frozen policy.
    """
    give_up_s = time.monotonic() + timeout_s
    while time.monotonic() < give_up_s:
        started = len(sessions(root)) if (root / ".orchestrator/ledger.sqlite").is_file() else 0
        backend = order[min(started, len(order) - 1)]
        answer = orchestrate(root, "campaign", "tick", file, "--backend", backend, "--json", **loopback_variables())
        if answer.json["over"] and not valid:
            return
        assert answer.code == 0, answer.err
        if answer.json["over"]:
            assert answer.json["complete"], answer.err
            return
        time.sleep(0.2)
    raise AssertionError(answer.err)


def test_a_training_is_carried_from_this_computer_to_kaggle_and_back(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}, "2": {"do": "pause"}}')
    write_campaign(project.root, seeds=1)
    carry(project.root, "several.yaml", "local", "kaggle", "local")
    assert [(one.backend, one.steps_start, one.steps_done) for one in sessions(project.root)] == [
        ("local", 0, 10),
        ("kaggle", 10, 20),
        ("local", 20, 40),
    ]
    assert [one.resume_grade for one in sessions(project.root)][1:] == ["exact", "exact"]
    (model,) = (project.root / MODELS / "checkpoints").glob("*_40_steps.zip")
    assert model.read_bytes() == b"model 0 after 40 steps"


@pytest.mark.prove
def test_a_real_training_carried_to_kaggle_and_back_ends_with_the_policy_of_this_computer(
    project: KaggleProject, tmp_path: Path
) -> None:
    """The real section 7.6; its card demands exact resumes."""
    carried, here = make_project(tmp_path / "carried"), make_project(tmp_path / "here")
    for root in (carried, here):
        write_card(root, {**read_card_file(root), "resume_floor": "exact"})
    write_campaign(carried, seeds=1)
    carry(carried, "several.yaml", "local", "kaggle", "local", "kaggle", timeout_s=600.0, valid=False)
    answer = orchestrate(here, "run", "section_7_6", "--quick", "--json", timeout_s=600.0)
    assert answer.json["end_reason"] == "finished", answer.err
    ran = sessions(carried)
    assert [one.backend for one in ran][:3] == ["local", "kaggle", "local"]
    assert {one.resume_grade for one in ran[1:]} == {"exact"}
    assert (ran[-1].end_reason, ran[-1].steps_done) == ("finished", answer.json["steps_done"])
    assert policies(carried) == policies(here)
    assert final_policy(carried) == final_policy(here)


def final_policy(root: Path) -> bytes:
    with zipfile.ZipFile(root / MODELS / "traffic_light_control_final.zip") as archive:
        return archive.read("policy.pth")
