"""The proof as a user runs it: the real section, a chain cut in two places, one of them by kill -9."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.real_section import make_real_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_real_project(tmp_path_factory.mktemp("prove") / "project")


@pytest.mark.prove
def test_chain_with_a_kill_equals_straight_training_and_naive_resumes_differ(project: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    words = ("prove-resume", "section_7_6", "--algo", "DQN", "--cuts", "2", "--steps", "4000", "--json")
    answer = orchestrate(project, *words, timeout_s=600)  # five sessions, each with its own start and compiler
    assert answer.code == 0, answer.err
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before  # no user file is touched
    assert "kill -9 after" in answer.err and f"--seed {answer.json['cut_seed']}" in answer.err
    assert "Resume: PROVEN for DQN" in answer.err
    (proof,) = answer.json["proofs"]
    assert (proof["finding"], proof["sessions"], proof["faults"]) == ("equal", 3, [])
    assert proof["went_on_from"] <= proof["kill_at_steps"] and set(proof["grades"]) <= {"exact"}
    straight, chain, *controls = proof["ends"]
    assert chain["items"] == straight["items"] and chain["max_abs_dw"] == 0.0
    assert {"policy", "optimizer", "replay_buffer", "reward_sequence"} <= set(straight["items"])
    assert len(controls) == 2
    assert all(control["max_abs_dw"] > 0 and control["steps"] == 4000 for control in controls)


def test_prove_runs_this_proof_and_records_it(project: Path) -> None:
    answer = orchestrate(project, "prove", "section_7_6", "--cuts", "1", "--steps", "2000", "--json", timeout_s=600)
    assert answer.code == 0, answer.err
    assert (answer.json["finding"], answer.json["grade"]) == ("exact", "exact")
    (record,) = (project / ".orchestrator/proofs").glob("section_7_6-*.json")
    assert answer.json["digest"] in record.read_text(encoding="utf-8")
    named = orchestrate(project, "prove", "section_7_6", "--at", "5")
    assert named.code == 2 and "--at has no effect here" in named.err


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--cuts", "0"), "cannot be cut 0 time"),
        (("--steps", "1010"), "cannot be cut"),
        (("--algo", "REINFORCE"), "section_7_6 declares "),
        (("--keep", "configs"), "configs cannot be made"),
    ],
)
def test_impossible_proof_is_refused_before_training(project: Path, words: tuple[str, ...], cause: str) -> None:
    answer = orchestrate(project, "prove-resume", "section_7_6", *words)
    assert answer.code == 2 and cause in answer.err and "Traceback" not in answer.err
