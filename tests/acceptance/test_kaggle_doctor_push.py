"""`doctor --push`: the very script is saved without a session, read back and deleted; each failure names its step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kagglesdk.kernels.types.kernels_api_service import ApiSaveKernelRequest
from kagglesdk.kernels.types.kernels_enums import KernelExecutionType

from orchestrator.backends.kaggle.backend import MAX_SCRIPT_BYTES, VISIBILITY_S
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.auth import sign_in
from orchestrator.backends.kaggle.client.credentials import candidates
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.diagnosis.push_check import PushCheck, checked_slug
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.script import ticket_in
from orchestrator.pipeline.run.runner import preview
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import (
    KEY,
    USER,
    FastForwardClock,
    far_settings,
    loopback_variables,
    point_at_loopback,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

STEPS = ["script", "saved", "name", "data sources", "read back", "private", "image", "no session", "deleted"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), FastForwardClock())


def doctor(project: KaggleProject, *words: str) -> Answer:
    return orchestrate(project.root, "doctor", *words, **loopback_variables())


def check(project: KaggleProject, settings: KaggleSettings | None = None) -> dict[str, Check]:
    """The reported checks by step, with a clock that does not wait."""
    retry = Retry(project.clock, lambda low, high: low)
    account = sign_in(candidates(home=Path.home()), now=project.clock.now, retry=retry)
    api = KaggleApi(account.connection, account.name, retry)
    found: list[Check] = []
    with project.opened(settings, only_look=True) as (card, context):
        _, _, push = preview(context, RunRequest(card=card, profile="quick"))
    PushCheck(api, project.clock, found.append, most_bytes=MAX_SCRIPT_BYTES, visible_s=VISIBILITY_S).run(push)
    return {one.name.removeprefix("push: "): one for one in found}


def test_every_step_succeeds_and_nothing_stays(project: KaggleProject) -> None:
    answer = doctor(project, "--push", "--quick", "--json")
    rows = {row["name"]: row for row in answer.json["checks"]}
    steps = [name.removeprefix("push: ") for name in rows if name.startswith("push: ")]
    assert (answer.code, steps) == (0, STEPS), answer.err
    assert all(rows[f"push: {step}"]["good"] for step in STEPS)
    assert "equal byte for byte" in rows["push: read back"]["found"]
    assert (project.kaggle.kernels.runs, project.kaggle.kernels.all) == (0, {})
    (push,) = [entry.request for entry in project.kaggle.journal.of("SaveKernel")]
    assert push["kernelExecutionType"] == "QUICK_SAVE"
    assert (push["enableGpu"], push["machineShape"], push["isPrivate"]) == (True, "NvidiaTeslaT4", True)
    assert not (project.root / ".orchestrator").exists()


def test_it_is_the_script_of_the_next_session(project: KaggleProject) -> None:
    doctor(project, "section_7_6", "--push", "--quick")
    orchestrate(project.root, "run", "section_7_6", "--quick", "--backend", "kaggle", **loopback_variables())
    saved, sent = [entry.request for entry in project.kaggle.journal.of("SaveKernel")]
    assert saved["slug"] == f"{USER}/{checked_slug(sent['slug'].partition('/')[2])}"
    assert len(saved["slug"]) == len(sent["slug"])
    tickets = [ticket_in(push["text"]) for push in (saved, sent)]
    assert tickets[0] is not None and tickets[1] is not None
    assert tickets[0].spec_digest == tickets[1].spec_digest
    assert len(saved["text"]) == len(sent["text"])
    for ticket, push in zip(tickets, (saved, sent), strict=True):
        for random in (ticket.run_id, ticket.nonce):  # the only parts that differ
            push["text"] = push["text"].replace(random, "")
    differing = {key for key in saved if saved[key] != sent.get(key)}
    assert differing == {"slug", "newTitle", "kernelExecutionType"}


def test_sources_of_a_continued_training_are_checked(project: KaggleProject) -> None:
    project.run(target_steps=10)
    assert "none needed" in check(project)["data sources"].found
    found = check(project, KaggleSettings(device="cpu", wheelhouse="ana/no-such-wheels"))
    assert found["data sources"].good is False
    assert "dataset ana/no-such-wheels" in found["data sources"].found
    assert found["deleted"].good


def save_own_kernel(project: KaggleProject, slug: str) -> None:
    """Save a version of a kernel that is not ours."""
    mine = ApiSaveKernelRequest()
    mine.slug, mine.new_title, mine.text = f"{USER}/{slug}", slug, "print('mine')"
    mine.language, mine.kernel_type = "python", "script"
    mine.kernel_execution_type = KernelExecutionType.QUICK_SAVE
    project.kaggle.kernels.save(mine, USER)


@pytest.mark.parametrize(
    ("backend", "words"),
    [("kaggle", "ana/arz-validation-section-7-6-"), ("local", "uploaded when a session starts")],
    ids=["kernel output", "dataset"],
)
def test_large_checkpoints_are_checked_by_their_source(project: KaggleProject, backend: str, words: str) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    run = ("run", "section_7_6", "--quick", "--target-steps", "10", "--backend", backend)
    assert orchestrate(project.root, *run, **loopback_variables()).code == 0
    runs = project.kaggle.kernels.runs
    found = check(project)
    assert found["data sources"].good and words in found["data sources"].found
    assert found["deleted"].good and project.kaggle.kernels.runs == runs
    assert project.kaggle.journal.counts["StartBlobUpload"] == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 400}, "HTTP 400"),
        ({"status": 403}, "HTTP 403"),
        ({"status": 409}, "refused the push"),
        ({"change": lambda answer: {"error": "Your phone is not verified."}}, "Your phone is not verified"),
    ],
)
def test_a_refused_save_names_cause_and_remedy(project: KaggleProject, fault: dict[str, Any], words: str) -> None:
    project.kaggle.faults.add("SaveKernel", **fault)
    found = check(project)
    assert list(found) == ["script", "saved"]
    assert found["saved"].good is False and words in found["saved"].found and found["saved"].remedy


def test_a_script_above_the_limit_is_refused_here(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    noise = "".join(f"{i * 2654435761 % 2**32:08x}" for i in range(400_000))
    entry.write_text(entry.read_text("utf-8") + f'\nNOISE = "{noise}"\n', "utf-8")
    answer = doctor(project, "--push", "--quick", "--json")
    (row,) = [row for row in answer.json["checks"] if row["name"].startswith("push: ")]
    assert (answer.code, row["name"], row["good"]) == (2, "push: script", False)
    assert "bytes" in row["found"] and row["remedy"]
    assert not project.kaggle.journal.of("SaveKernel")


@pytest.mark.parametrize("drop", ["after", "before"])
def test_a_lost_answer_is_read_back(project: KaggleProject, drop: str) -> None:
    project.kaggle.faults.add("SaveKernel", drop=drop)
    found = check(project)
    assert found["saved"].good is (drop == "after")
    assert ("deleted" in found) is (drop == "after")
    assert (project.kaggle.kernels.all, project.kaggle.kernels.runs) == ({}, 0)


def test_a_changed_script_is_reported_and_deleted(project: KaggleProject) -> None:
    def with_other_line_ends(answer: dict[str, Any]) -> dict[str, Any]:
        answer["blob"]["source"] = answer["blob"]["source"].replace("\n", "\r\n")
        return answer

    project.kaggle.faults.add(
        "GetKernel", change=with_other_line_ends, lasting=True, when=lambda request: bool(project.kaggle.kernels.all)
    )
    found = check(project)
    assert found["read back"].good is False and "not equal" in found["read back"].found
    assert found["deleted"].good and not project.kaggle.kernels.all


def test_a_kernel_that_shows_late_is_waited_for(project: KaggleProject) -> None:
    project.kaggle.settings.hidden_looks = 4
    found = check(project)
    assert found["read back"].good and found["deleted"].good
    assert not project.kaggle.kernels.all


def test_what_cannot_be_deleted_is_named(project: KaggleProject) -> None:
    project.kaggle.faults.add("DeleteKernel", status=403, lasting=True)
    found = check(project)
    ((_, slug),) = project.kaggle.kernels.all
    assert found["deleted"].good is False
    assert slug in found["deleted"].found
    assert f"https://www.kaggle.com/code/ana/{slug}" in found["deleted"].remedy


def test_an_interrupt_deletes_what_was_saved(project: KaggleProject) -> None:
    def interrupt(seconds: float) -> None:
        project.clock.before_sleep = lambda seconds: None
        raise KeyboardInterrupt

    project.clock.before_sleep = interrupt
    project.kaggle.settings.hidden_looks = 3
    with pytest.raises(KeyboardInterrupt):
        check(project)
    assert not project.kaggle.kernels.all


def test_a_kernel_of_the_user_with_that_name_is_left_alone(project: KaggleProject) -> None:
    check(project)
    slug = project.kaggle.journal.of("SaveKernel")[0].request["slug"].partition("/")[2]
    save_own_kernel(project, slug)
    found = check(project)
    assert found["name"].good is False and "was not saved by this check" in found["name"].found
    assert (USER, slug) in project.kaggle.kernels.all


@pytest.mark.parametrize(("versions", "kept"), [(1, False), (2, True)])
def test_a_kernel_under_another_name_is_deleted_only_if_it_is_new(
    project: KaggleProject, versions: int, kept: bool
) -> None:
    for _ in range(versions):
        save_own_kernel(project, "another-name")
    named = {"ref": f"/code/{USER}/another-name"}
    project.kaggle.faults.add("SaveKernel", change=lambda answer: {**answer, **named})
    found = check(project)
    assert found["name"].good is False and "not run-push-check-" in found["name"].found
    assert ((USER, "another-name") in project.kaggle.kernels.all) is kept
    assert found["deleted"].good is not kept


def test_spent_quota_does_not_hinder_the_check(project: KaggleProject) -> None:
    project.kaggle.settings.gpu_used = timedelta(hours=30)
    answer = doctor(project, "--push", "--quick")
    assert "✓ push: deleted" in answer.out
    assert answer.code == 4  # the quota row


def test_without_an_account_nothing_is_saved(project: KaggleProject) -> None:
    project.kaggle.accounts.keys[USER] = "revoked"
    answer = doctor(project, "--push")
    assert answer.code == 4
    assert "push:" not in answer.out


def test_a_section_without_push_has_no_effect(project: KaggleProject) -> None:
    assert "section_7_6 has no effect without --push" in doctor(project, "section_7_6").out
