"""The commands of another shell, and commands that are killed: always one kernel, nothing lost, no secret told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_kaggle_loop import Laptop
from tests.doubles.commands import Answer, environment, orchestrate
from tests.doubles.kaggle_side import KEY, USER, HastyClock, far_settings, loopback_variables, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

TOKEN = "KGAT_5ecret-token-of-ana"
RUN = ("run", "section_7_6", "--quick", "--backend", "kaggle")


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY, token=TOKEN, refresh_token="refresh-5ecret")
        yield Laptop(make_toy_project(tmp_path / "project"), kaggle, Listener(), HastyClock())


def ask(laptop: Laptop, *words: str, **variables: str) -> Answer:
    return orchestrate(laptop.root, *words, **loopback_variables(), **variables)


def at_gate(laptop: Laptop) -> Path:
    """Let kernels wait until a file shows; returns the file."""
    gate = laptop.root / "gate"
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    wait = f"    import time\n    while not Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n"
    entry.write_text(entry.read_text("utf-8").replace(mark, mark + wait), "utf-8")
    return gate


def test_detach_attach_logs_fetch_and_status_from_any_shell(laptop: Laptop) -> None:
    gate = at_gate(laptop)
    left = ask(laptop, *RUN, "--detach", "--json")
    assert (left.code, left.json["end_reason"]) == (0, "detached")
    assert left.json["handle"].startswith("kaggle://ana/arz-validation-section-7-6-")
    assert ask(laptop, *RUN, "--detach", "--json").json["handle"] == left.json["handle"]
    assert "not fetched yet" in ask(laptop, "fetch", "section_7_6", "--backend", "kaggle").out
    assert "in flight" in ask(laptop, "status").out
    gate.touch()
    log = ask(laptop, "logs", "section_7_6", "--backend", "kaggle")
    assert "Starting fresh training" in log.out
    assert ask(laptop, "logs", "section_7_6", "--backend", "kaggle").out == log.out
    home = ask(laptop, "attach", "section_7_6", "--json")
    assert (home.code, home.json["steps_done"], home.json["verdict"]) == (0, 40, "supported")
    assert home.json["run_id"] == left.json["run_id"]
    assert laptop.kaggle.kernels.runs == 1
    again = ask(laptop, "fetch", "section_7_6", "--backend", "kaggle")
    assert again.code == 0
    assert "finished, fetched into" in again.out
    assert ask(laptop, "attach", "section_7_6").code == 2


def test_a_session_over_there_outlives_a_run_at_home(laptop: Laptop) -> None:
    gate = at_gate(laptop)
    ask(laptop, *RUN, "--detach")
    gate.touch()
    home = ask(laptop, "run", "section_7_6", "--quick", "--backend", "local", "--target-steps", "20", "--json")
    assert home.json["steps_done"] == 20
    away = ask(laptop, "attach", "section_7_6", "--json")
    assert "Other checkpoints were put in place" in away.err
    assert (away.json["backend"], away.json["steps_done"]) == ("kaggle", 40)


def test_fetch_alone_brings_an_ended_session_home(laptop: Laptop) -> None:
    ask(laptop, *RUN, "--detach")
    (kernel,) = laptop.kaggle.kernels.all.values()
    assert kernel.ended.wait(20)
    assert "finished, 40 steps in place" in ask(laptop, "fetch", "section_7_6", "--backend", "kaggle").out
    assert ask(laptop, *RUN, "--json").json["end_reason"] == "at_target"


def test_quota_and_doctor_in_the_users_words(laptop: Laptop) -> None:
    assert "GPU: 30.0 h left of 30.0 h" in ask(laptop, "quota").out
    well = ask(laptop, "doctor")
    assert well.code == 0
    assert "✓ account: ana, by legacy key" in well.out
    laptop.kaggle.accounts.keys[USER] = "revoked"
    ill = ask(laptop, "doctor", "--json")
    assert ill.code == 4
    assert "✗ account" in ill.err
    assert "create a new token" in ill.err


@pytest.mark.parametrize(
    ("method", "runs_before"),
    [("GetKernel", 0), ("SaveKernel", 1), ("GetKernelSessionStatus", 1), ("ListKernelSessionOutput", 1)],
)
def test_a_killed_command_leaves_one_kernel(
    laptop: Laptop, method: str, runs_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the submit, while its answer is on the way, while watching, while fetching."""
    monkeypatch.setattr("orchestrator.backends.kaggle.backend.VISIBILITY_S", 0.3)
    command: list[subprocess.Popen[bytes]] = []

    def kill(answer: dict[str, Any]) -> dict[str, Any]:
        command[0].send_signal(signal.SIGKILL)
        command[0].wait()
        return answer

    laptop.kaggle.faults.add(method, change=kill)
    command.append(
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *RUN],
            env=environment(laptop.root, **loopback_variables()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    assert command[0].wait(60) == -signal.SIGKILL
    assert laptop.kaggle.kernels.runs == runs_before
    summary = laptop.run()
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)
    assert laptop.kaggle.kernels.runs == 1


@pytest.mark.parametrize("form", ["value", "file", "oauth"])
def test_every_form_of_credential_signs_in(laptop: Laptop, form: str, tmp_path: Path) -> None:
    home = tmp_path / "home of ana"
    (home / ".kaggle").mkdir(parents=True)
    variables = {"HOME": str(home), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    if form == "value":
        variables["KAGGLE_API_TOKEN"] = TOKEN
    elif form == "file":
        (home / ".kaggle" / "access_token").write_text(TOKEN + "\n", "utf-8")
    else:
        (home / ".kaggle" / "credentials.json").write_text('{"refresh_token": "refresh-5ecret"}', "utf-8")
    answer = orchestrate(laptop.root, *RUN, "--json", **variables)
    assert (answer.code, answer.json["verdict"]) == (0, "supported")
    for path in laptop.root.rglob("*"):
        assert not path.is_file() or b"5ecret" not in path.read_bytes(), path
    assert "5ecret" not in answer.out + answer.err


def test_a_login_that_runs_out_during_a_session_is_renewed(laptop: Laptop, tmp_path: Path) -> None:
    home = tmp_path / "home of ana"
    (home / ".kaggle").mkdir(parents=True)
    (home / ".kaggle" / "credentials.json").write_text('{"refresh_token": "refresh-5ecret"}', "utf-8")

    def run_out(answer: dict[str, Any]) -> dict[str, Any]:
        for token in [name for name in laptop.kaggle.accounts.tokens if name.startswith("access-for-")]:
            del laptop.kaggle.accounts.tokens[token]
        return answer

    laptop.kaggle.faults.add("GetKernel", change=run_out)  # the next request is the push
    laptop.kaggle.faults.add("GetKernelSessionStatus", change=run_out)
    variables = {"HOME": str(home), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    answer = orchestrate(laptop.root, *RUN, "--json", **variables)
    assert (answer.code, answer.json["verdict"]) == (0, "supported"), answer.err
    assert laptop.kaggle.kernels.runs == 1
    assert laptop.kaggle.journal.counts["GenerateAccessToken"] >= 3


def test_a_token_that_is_no_longer_good_gives_way_to_a_key(laptop: Laptop, tmp_path: Path) -> None:
    answer = ask(laptop, "doctor", KAGGLE_API_TOKEN="KGAT_revoked")
    assert "ana, by legacy key" in answer.out
    variables = {"HOME": str(tmp_path), "KAGGLE_USERNAME": "", "KAGGLE_KEY": "", "KAGGLE_API_ENVIRONMENT": "TEST"}
    refused = orchestrate(laptop.root, *RUN, KAGGLE_API_TOKEN="KGAT_revoked", **variables)
    assert refused.code == 4
    assert "does not accept the access token of KAGGLE_API_TOKEN" in refused.err
    assert "KGAT_revoked" not in refused.err


def test_a_service_that_is_away_is_told_in_one_line_and_no_other_backend_is_taken(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    answer = orchestrate(root, *RUN, "--json", **loopback_variables())
    assert answer.code == 4
    assert len(answer.err.splitlines()) <= 3
    assert not (root / ".orchestrator" / "local").exists()
    assert os.environ.get("KAGGLE_API_ENVIRONMENT") is None
