"""Trainings on a real head: sessions in a row, a killed head, lost answers, requests to stop."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator.cli.main import main
from orchestrator.core.errors import NameTaken, RemoteUnavailable
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.ray.head import LoopbackRay, wait_until
from tests.ray.projects import MODELS, block, manifests, slow_project, stored

pytestmark = pytest.mark.timeout(900)


def summary_of(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(capfd.readouterr().out.splitlines()[-1])
    return plain


def jobs_of(cluster: LoopbackRay) -> list[str]:
    from ray.job_submission import JobSubmissionClient

    return [str(one.submission_id) for one in JobSubmissionClient(cluster.address).list_jobs()]


def test_three_jobs_make_one_training(
    on_cluster: LoopbackRay, root: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    behaviour = '{"1": {"do": "pause"}, "2": {"do": "pause"}}'
    for folder in (root, tmp_path / "near"):
        set_behaviour(make_toy_project(folder), behaviour)
    write_card(root, read_card_file(root) | {"ray": block(on_cluster)})
    before = set(jobs_of(on_cluster))
    assert main(["run", "section_7_6", "--quick", "--backend", "ray", "--json"]) == 0
    summary = summary_of(capfd)
    assert (summary["steps_done"], summary["sessions"]) == (40, 3)
    assert len(set(jobs_of(on_cluster)) - before) == 3
    assert orchestrate(tmp_path / "near", "run", "section_7_6", "--quick").code == 0
    models = Path("validation_ch7/section_7_6_rl_performance/data/models")
    names = [path.relative_to(root) for path in (root / models).rglob("*.zip")]
    assert len(names) >= 2
    for name in names:
        assert (root / name).read_bytes() == (tmp_path / "near" / name).read_bytes(), name


def test_a_killed_head_costs_what_was_not_stored_and_counts_nothing_twice(
    on_cluster: LoopbackRay,
    root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.backends.ray.observation.SILENT_S", 10.0)
    gate = tmp_path / "gate"
    slow_project(root, gate, block(on_cluster))
    faults: list[BaseException] = []

    def kill() -> None:
        try:
            wait_until(lambda: stored(on_cluster, "mine_checkpoint_20_steps"), lambda: "nothing is stored")
            on_cluster.kill()
            on_cluster.start()
            gate.touch()
        except BaseException as fault:
            faults.append(fault)

    killer = threading.Thread(target=kill)
    killer.start()
    code = main(["run", "mine", "--backend", "ray", "--json"])
    killer.join()
    assert not faults, faults
    captured = capfd.readouterr()
    assert code == 0, captured.err
    summary = json.loads(captured.out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (30, 2)
    assert [one["steps_start"] for one in manifests(root)] == [20]  # the first session was killed before its manifest
    near = slow_project(tmp_path / "near", gate, {})
    assert orchestrate(near, "run", "mine").code == 0
    for name in ("mine_checkpoint_30_steps.zip", "mine_checkpoint_30_steps.state.npz"):
        assert (root / MODELS / name).read_bytes() == (near / MODELS / name).read_bytes(), name


def test_a_lost_answer_starts_no_second_job(
    on_cluster: LoopbackRay,
    root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray.job_submission import JobSubmissionClient

    slow_project(root, root, block(on_cluster))  # the gate is open
    true_submit, answers = JobSubmissionClient.submit_job, []

    def lose(self: Any, **words: Any) -> str:
        answers.append(true_submit(self, **words))
        raise requests.ConnectionError("Connection aborted.")

    monkeypatch.setattr(JobSubmissionClient, "submit_job", lose)
    assert main(["run", "mine", "--backend", "ray", "--json"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["sessions"] == 1
    assert "The answer to the push was lost" in captured.err
    assert len(answers) == 1 and jobs_of(on_cluster).count(answers[0]) == 1


def test_ray_takes_a_name_once(on_cluster: LoopbackRay) -> None:
    from orchestrator.backends.ray.client import connect
    from orchestrator.backends.ray.entrypoint import JobRequest

    jobs = connect(on_cluster.address)
    request = JobRequest(slug="once", entrypoint="exit 3", runtime_env={}, metadata={"orchestrator": "n"})
    jobs.submit(request)
    for again in (request, replace(request, metadata={"orchestrator": "other"})):
        with pytest.raises(NameTaken, match="already has a job once"):
            jobs.submit(again)
    wait_until(
        lambda: (job := jobs.info("once")) is not None and job.status == "FAILED", lambda: str(jobs.info("once"))
    )
    job = jobs.info("once")
    assert job is not None and (job.nonce, job.exit_code) == ("n", 3)
    with pytest.raises(NameTaken):
        jobs.submit(request)
    assert jobs.info("never") is None


def test_a_cancelled_session_saves_and_ends_the_run(
    on_cluster: LoopbackRay, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slow_project(root, tmp_path / "never", block(on_cluster))
    assert main(["run", "mine", "--backend", "ray", "--detach"]) == 0
    wait_until(lambda: stored(on_cluster, "mine_checkpoint_20_steps"), lambda: "nothing is stored")
    assert main(["cancel", "mine"]) == 0
    assert main(["status", "mine", "--json"]) == 0
    assert "stopped" in capfd.readouterr().out
    (manifest,) = manifests(root)
    assert manifest["end_reason"] == "stopped" and manifest["steps_done"] >= 20


def test_a_stop_by_ray_itself_waits_for_a_save_longer_than_its_own_patience(
    on_cluster: LoopbackRay, root: Path, tmp_path: Path
) -> None:
    from ray.job_submission import JobSubmissionClient

    slow_project(root, tmp_path / "never", block(on_cluster), save_s=6.0)  # Ray's default is 3 s
    before = set(jobs_of(on_cluster))
    assert main(["run", "mine", "--backend", "ray", "--detach"]) == 0
    wait_until(lambda: stored(on_cluster, "mine_checkpoint_20_steps"), lambda: "nothing is stored")
    (name,) = set(jobs_of(on_cluster)) - before
    assert JobSubmissionClient(on_cluster.address).stop_job(name)
    assert main(["attach", "mine"]) in (0, 1)
    (manifest,) = manifests(root)
    assert manifest["end_reason"] == "stopped"


def test_a_job_that_waits_for_a_resource_is_cancelled(
    on_cluster: LoopbackRay, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slow_project(root, tmp_path / "never", block(on_cluster, resources={"seat": 2}))  # the head has one
    before = set(jobs_of(on_cluster))
    assert main(["run", "mine", "--backend", "ray", "--detach"]) == 0
    (name,) = set(jobs_of(on_cluster)) - before
    assert main(["status", "mine"]) == 0
    assert "pending" in capfd.readouterr().out.lower()
    assert main(["cancel", "mine"]) == 0
    assert main(["status", "mine", "--json"]) == 0
    assert "cancelled" in capfd.readouterr().out
    assert not list(on_cluster.storage.glob(f"{name}/starts"))


def test_doctor_reports_the_cluster_and_the_storage(
    on_cluster: LoopbackRay, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slow_project(root, root, block(on_cluster))
    assert main(["doctor", "mine", "--backend", "ray"]) == 0
    out = capfd.readouterr().out
    assert f"✓ Ray: {on_cluster.address} answers" in out and f"✓ storage: file://{on_cluster.storage}" in out
    wrong = {"RAY_AUTH_TOKEN": "f" * 64}  # Ray's client keeps the first one that it has read in a process
    answer = orchestrate(root, "doctor", "mine", "--backend", "ray", **wrong)
    assert answer.code == 4 and "✗ Ray" in answer.out, answer.out + answer.err
    answer = orchestrate(root, "run", "mine", "--backend", "ray", **wrong)
    assert answer.code == 4 and f"Ray at {on_cluster.address}" in answer.err and "Traceback" not in answer.err


def test_a_head_that_is_away_is_exit_code_4(
    on_cluster: LoopbackRay, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slow_project(root, root, {**block(on_cluster), "address": "http://127.0.0.1:9"})
    assert main(["run", "mine", "--backend", "ray"]) == 4
    err = capfd.readouterr().err
    assert "Ray at http://127.0.0.1:9: Failed to connect" in err and "api/version" in err
    assert not (root / "validation_output/results").exists()
    assert RemoteUnavailable.exit_code == 4
