"""The image stays: an update of Kaggle's image between two sessions does not end a training's grade `exact`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.section.kaggle import KaggleSettings
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import orchestrate
from tests.doubles.images import SECOND_IMAGE, interpreter_with
from tests.doubles.kaggle_side import (
    KEY,
    USER,
    ShortSleepClock,
    far_settings,
    loopback_variables,
    point_at_loopback,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle
from tests.emulator.settings import FIRST_IMAGE

RUN = ("run", "section_7_6", "--quick", "--backend", "kaggle")
GRADE = """resume_grade=worst([one.grade for one in differences(latest.identity, identity)]) if latest else None)"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    """The toy section reports the true grade: that of the table, for the versions in its kernel."""
    point_at_loopback(monkeypatch)
    root = make_toy_project(tmp_path / "project")
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8").replace('resume_grade="exact" if latest else None)', GRADE)
    imported = "from orchestrator.kernel.checkpoint.resume_grade import differences, worst\n"
    entry.write_text(text.replace("from orchestrator.kernel.wire", imported + "from orchestrator.kernel.wire"), "utf-8")
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        kaggle.settings.images[SECOND_IMAGE] = interpreter_with(tmp_path / "image", "gymnasium", "99.0")
        yield KaggleProject(root, kaggle, Listener(), ShortSleepClock())


def pushes(project: KaggleProject) -> list[dict[str, Any]]:
    return [entry.request for entry in project.kaggle.journal.of("SaveKernel")]


def sessions(project: KaggleProject) -> list[Any]:
    with project.opened(only_look=True) as (card, context):
        return list(context.ledger.sessions(card.lineage.id))


def test_an_image_update_between_sessions_leaves_the_grade_exact(project: KaggleProject) -> None:
    project.run(target_steps=10)
    project.kaggle.settings.image = SECOND_IMAGE
    summary = project.run(target_steps=20)
    assert summary.resume_grade == "exact"
    first, second = pushes(project)
    assert "dockerImage" not in first
    assert (second["dockerImage"], second["machineShape"]) == (FIRST_IMAGE, "NvidiaTeslaT4")
    assert [one.machine["docker_image"] for one in sessions(project)] == [FIRST_IMAGE] * 2
    answer = orchestrate(project.root, "status", **loopback_variables())
    assert answer.out.count(f"image ...{FIRST_IMAGE[-12:]}") == 2


def test_new_image_lets_go_once_and_the_chain_stays_in_the_new_one(project: KaggleProject) -> None:
    project.run(target_steps=10)
    project.kaggle.settings.image = SECOND_IMAGE
    changed = orchestrate(project.root, *RUN, "--target-steps", "20", "--new-image", "--json", **loopback_variables())
    assert changed.json["resume_grade"] == "statistical"
    assert "--new-image: this session takes the backend's present image" in changed.err
    project.kaggle.settings.image = FIRST_IMAGE
    assert project.run(target_steps=30).resume_grade == "exact"
    assert [push.get("dockerImage") for push in pushes(project)] == [None, None, SECOND_IMAGE]


def test_later_sessions_of_a_new_image_command_keep_it(project: KaggleProject) -> None:
    (project.root / "validation_ch7/section_7_6_rl_performance/behaviour.json").write_text('{"*": {"do": "pause"}}')
    project.run(target_steps=10)
    project.kaggle.settings.image = SECOND_IMAGE
    summary = project.run(target_steps=30, new_image_before=datetime.now(UTC))
    assert (summary.sessions, summary.steps_done) == (2, 30)
    assert [push.get("dockerImage") for push in pushes(project)] == [None, None, SECOND_IMAGE]


def test_an_image_that_kaggle_no_longer_has_is_refused_once_with_the_remedy(project: KaggleProject) -> None:
    project.run(target_steps=10)
    project.kaggle.settings.image = SECOND_IMAGE
    del project.kaggle.settings.images[FIRST_IMAGE]
    answer = orchestrate(project.root, *RUN, "--target-steps", "20", "--json", **loopback_variables())
    assert answer.code == 2
    assert FIRST_IMAGE in answer.json["error"] and "does not exist" in answer.json["error"]
    assert "run section_7_6 --new-image" in answer.json["remedy"]
    assert len(pushes(project)) == 2
    again = orchestrate(project.root, *RUN, "--target-steps", "20", "--new-image", "--json", **loopback_variables())
    assert (again.code, again.json["steps_done"]) == (0, 20)


def test_the_image_survives_a_lost_ledger(project: KaggleProject) -> None:
    project.run(target_steps=10)
    project.kaggle.settings.image = SECOND_IMAGE
    for path in (project.root / ".orchestrator").glob("ledger*"):
        path.unlink()
    assert project.run(target_steps=20).resume_grade == "exact"
    assert pushes(project)[-1]["dockerImage"] == FIRST_IMAGE


def test_an_image_that_could_not_be_read_is_read_before_the_next_push(project: KaggleProject) -> None:
    def only_after_the_push(request: Any) -> bool:
        return len(pushes(project)) == 1

    project.kaggle.faults.add("GetKernel", times=5, status=503, when=only_after_the_push)
    assert project.run(target_steps=10).end_reason == "finished"
    assert sessions(project)[0].machine["docker_image"] is None
    project.kaggle.settings.image = SECOND_IMAGE
    project.kaggle.faults.add("GetKernel", times=20, status=503)
    with pytest.raises(RemoteUnavailable):
        project.run(target_steps=20)
    assert len(pushes(project)) == 1
    project.kaggle.faults = type(project.kaggle.faults)()
    assert project.run(target_steps=20).resume_grade == "exact"
    assert pushes(project)[-1]["dockerImage"] == FIRST_IMAGE


@pytest.mark.parametrize(
    ("settings", "image"),
    [(KaggleSettings(device="cpu", docker_image=SECOND_IMAGE), SECOND_IMAGE), (KaggleSettings(gpu=False), None)],
    ids=["another image", "no GPU"],
)
def test_what_the_card_asks_for_wins(project: KaggleProject, settings: KaggleSettings, image: str | None) -> None:
    project.run(target_steps=10)
    project.run(target_steps=20, settings=settings)
    assert pushes(project)[-1].get("dockerImage") == image
    assert "The card asks for another image or accelerator" in project.output


CAMPAIGN = """
campaign: one
title: One training
backend: kaggle
concurrency: 1
assume: {steps_per_s: 6000, start_s: 5, save_s: 10}
trials:
  main: {section: section_7_6, profile: quick, seeds: 1}
"""


def test_a_campaign_keeps_the_image_and_lets_go_of_it(project: KaggleProject) -> None:
    (project.root / "validation_ch7/section_7_6_rl_performance/behaviour.json").write_text('{"*": {"do": "pause"}}')
    (project.root / "configs/campaigns").mkdir()
    (project.root / "configs/campaigns/one.yaml").write_text(CAMPAIGN, "utf-8")

    def tick(*words: str) -> None:
        for kernel in list(project.kaggle.kernels.all.values()):
            assert kernel.ended.wait(120)
        answer = orchestrate(project.root, "campaign", "tick", "one", *words, **loopback_variables())
        assert answer.code == 0, answer.out + answer.err

    tick()
    project.kaggle.settings.image = SECOND_IMAGE
    tick()
    tick("--new-image")
    project.kaggle.settings.image = FIRST_IMAGE
    tick()
    assert [push.get("dockerImage") for push in pushes(project)] == [None, FIRST_IMAGE, None, SECOND_IMAGE]


def test_a_campaign_asks_once_for_an_image_that_is_gone(project: KaggleProject) -> None:
    (project.root / "validation_ch7/section_7_6_rl_performance/behaviour.json").write_text('{"*": {"do": "pause"}}')
    (project.root / "configs/campaigns").mkdir()
    (project.root / "configs/campaigns/one.yaml").write_text(CAMPAIGN, "utf-8")
    orchestrate(project.root, "campaign", "tick", "one", **loopback_variables())
    (kernel,) = project.kaggle.kernels.all.values()
    assert kernel.ended.wait(120)
    project.kaggle.settings.image = SECOND_IMAGE
    del project.kaggle.settings.images[FIRST_IMAGE]
    answer = orchestrate(project.root, "campaign", "run", "one", "--every-s", "0.1", **loopback_variables())
    assert answer.code == 1
    assert FIRST_IMAGE in answer.out and "campaign tick FILE --new-image" in answer.out
    assert len(pushes(project)) == 2


def test_dry_run_shows_the_kept_image_and_asks_for_no_session(project: KaggleProject) -> None:
    project.run(target_steps=10)
    _, _, push = project.preview(target_steps=20)
    assert push.describe()["docker_image"] == FIRST_IMAGE
    assert len(pushes(project)) == 1


def test_new_image_has_no_effect_on_the_local_backend(project: KaggleProject) -> None:
    answer = orchestrate(project.root, "run", "section_7_6", "--quick", "--backend", "local", "--new-image", "--json")
    assert "--new-image has no effect: backend local has no images" in answer.err


def test_refusals_without_a_kept_image_do_not_name_one(project: KaggleProject) -> None:
    project.kaggle.faults.add("SaveKernel", change=lambda answer: {"error": "Your notebook is not allowed."})
    with pytest.raises(BadInput, match=re.escape("Your notebook is not allowed.")) as refused:
        project.run()
    assert "--new-image" not in refused.value.remedy
