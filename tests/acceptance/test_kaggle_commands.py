"""Commands from another shell and killed commands: always one kernel, no lost work, no printed secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import Answer, environment, orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, loopback_variables, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

TOKEN = "KGAT_5ecret-token-of-ana"
RUN = ("run", "section_7_6", "--quick", "--backend", "kaggle")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY, token=TOKEN, refresh_token="refresh-5ecret")
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def invoke(project: KaggleProject, *words: str, **variables: str) -> Answer:
    return orchestrate(project.root, *words, **loopback_variables(), **variables)


def make_kernels_wait(project: KaggleProject) -> Path:
    """Make kernels wait until a file exists; returns its path."""
    gate = project.root / "gate"
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    wait = f"    import time\n    while not Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n"
    entry.write_text(entry.read_text("utf-8").replace(mark, mark + wait), "utf-8")
    return gate


def test_detached_session_is_reached_from_any_shell(project: KaggleProject) -> None:
    gate = make_kernels_wait(project)
    detached = invoke(project, *RUN, "--detach", "--json")
    assert (detached.code, detached.json["end_reason"]) == (0, "detached")
    assert detached.json["handle"].startswith("kaggle://ana/arz-validation-section-7-6-")
    assert invoke(project, *RUN, "--detach", "--json").json["handle"] == detached.json["handle"]
    assert "not fetched yet" in invoke(project, "fetch", "section_7_6", "--backend", "kaggle").out
    assert "in flight" in invoke(project, "status").out
    gate.touch()
    log = invoke(project, "logs", "section_7_6", "--backend", "kaggle")
    assert "Starting fresh training" in log.out
    assert invoke(project, "logs", "section_7_6", "--backend", "kaggle").out == log.out
    attached = invoke(project, "attach", "section_7_6", "--json")
    assert (attached.code, attached.json["steps_done"], attached.json["verdict"]) == (0, 40, "supported")
    assert attached.json["run_id"] == detached.json["run_id"]
    assert project.kaggle.kernels.runs == 1
    again = invoke(project, "fetch", "section_7_6", "--backend", "kaggle")
    assert again.code == 0
    assert "finished, fetched into" in again.out
    assert invoke(project, "attach", "section_7_6").code == 2


def test_kaggle_session_survives_that_a_local_run_of_the_same_training_is_refused(project: KaggleProject) -> None:
    gate = make_kernels_wait(project)
    invoke(project, *RUN, "--detach")
    local = invoke(project, "run", "section_7_6", "--quick", "--backend", "local", "--target-steps", "20", "--json")
    assert local.code == 2
    assert "of this training is in flight on kaggle" in local.err
    gate.touch()
    attached = invoke(project, "attach", "section_7_6", "--json")
    assert (attached.json["backend"], attached.json["steps_done"]) == ("kaggle", 40)


def test_fetch_alone_collects_an_ended_session(project: KaggleProject) -> None:
    invoke(project, *RUN, "--detach")
    (kernel,) = project.kaggle.kernels.all.values()
    assert kernel.ended.wait(120)
    assert "finished, 40 steps in place" in invoke(project, "fetch", "section_7_6", "--backend", "kaggle").out
    assert invoke(project, *RUN, "--json").json["end_reason"] == "at_target"


def test_quota_and_doctor_report_hours_and_account(project: KaggleProject) -> None:
    assert "GPU: 30.0 h left of 30.0 h" in invoke(project, "quota").out
    healthy = invoke(project, "doctor")
    assert healthy.code == 0
    assert "✓ account: ana, by legacy key" in healthy.out
    project.kaggle.accounts.keys[USER] = "revoked"
    failing = invoke(project, "doctor", "--json")
    assert failing.code == 4
    assert "✗ account" in failing.err
    assert "create a new token" in failing.err


@pytest.mark.parametrize(
    ("method", "runs_before"),
    [("GetKernel", 0), ("SaveKernel", 1), ("GetKernelSessionStatus", 1), ("ListKernelSessionOutput", 1)],
)
def test_killed_command_leaves_one_kernel(
    project: KaggleProject, method: str, runs_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is killed before the submit, during its answer, while watching, or while fetching."""
    monkeypatch.setattr("orchestrator.backends.kaggle.backend.VISIBILITY_S", 0.3)
    command: list[subprocess.Popen[bytes]] = []

    def kill(answer: dict[str, Any]) -> dict[str, Any]:
        command[0].send_signal(signal.SIGKILL)
        command[0].wait()
        return answer

    project.kaggle.faults.add(method, change=kill)
    command.append(
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *RUN],
            env=environment(project.root, **loopback_variables()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    assert command[0].wait(60) == -signal.SIGKILL
    assert project.kaggle.kernels.runs == runs_before
    summary = project.run()
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)
    assert project.kaggle.kernels.runs == 1


@pytest.mark.parametrize("form", ["value", "file", "oauth"])
def test_every_credential_form_signs_in_and_is_never_printed(project: KaggleProject, form: str, tmp_path: Path) -> None:
    folder = tmp_path / "home of ana"
    (folder / ".kaggle").mkdir(parents=True)
    variables = {"HOME": str(folder), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    if form == "value":
        variables["KAGGLE_API_TOKEN"] = TOKEN
    elif form == "file":
        (folder / ".kaggle" / "access_token").write_text(TOKEN + "\n", "utf-8")
    else:
        (folder / ".kaggle" / "credentials.json").write_text('{"refresh_token": "refresh-5ecret"}', "utf-8")
    answer = orchestrate(project.root, *RUN, "--json", **variables)
    assert (answer.code, answer.json["verdict"]) == (0, "supported")
    for path in project.root.rglob("*"):
        assert not path.is_file() or b"5ecret" not in path.read_bytes(), path
    assert "5ecret" not in answer.out + answer.err


def test_expired_login_is_renewed_during_a_session(project: KaggleProject, tmp_path: Path) -> None:
    folder = tmp_path / "home of ana"
    (folder / ".kaggle").mkdir(parents=True)
    (folder / ".kaggle" / "credentials.json").write_text('{"refresh_token": "refresh-5ecret"}', "utf-8")

    def expire_tokens(answer: dict[str, Any]) -> dict[str, Any]:
        for token in [name for name in project.kaggle.accounts.tokens if name.startswith("access-for-")]:
            del project.kaggle.accounts.tokens[token]
        return answer

    project.kaggle.faults.add("GetKernel", change=expire_tokens)  # the next request is the push
    project.kaggle.faults.add("GetKernelSessionStatus", change=expire_tokens)
    variables = {"HOME": str(folder), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    answer = orchestrate(project.root, *RUN, "--json", **variables)
    assert (answer.code, answer.json["verdict"]) == (0, "supported"), answer.err
    assert project.kaggle.kernels.runs == 1
    assert project.kaggle.journal.counts["GenerateAccessToken"] >= 3


def test_revoked_token_falls_back_to_the_legacy_key(project: KaggleProject, tmp_path: Path) -> None:
    answer = invoke(project, "doctor", KAGGLE_API_TOKEN="KGAT_revoked")
    assert "ana, by legacy key" in answer.out
    variables = {"HOME": str(tmp_path), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    refused = orchestrate(project.root, *RUN, KAGGLE_API_TOKEN="KGAT_revoked", **variables)
    assert refused.code == 4
    assert "Error: Kaggle does not accept the access token of KAGGLE_API_TOKEN" in refused.err
    assert "KGAT_revoked" not in refused.err


def test_unreachable_kaggle_exits_4_and_never_falls_back_to_local(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    answer = orchestrate(root, *RUN, "--json", **loopback_variables())
    assert answer.code == 4
    assert len([line for line in answer.err.splitlines() if "still running after" not in line]) <= 3
    assert not (root / ".orchestrator" / "local").exists()
    assert os.environ.get("KAGGLE_API_ENVIRONMENT") is None
