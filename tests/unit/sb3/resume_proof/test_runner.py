"""The kernel part of the resume proof: the results of the straight, the chained and the usual training."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_world import HYPER_PARAMETERS, TinyVecEnv, bench, models_path, spec_of, ticket, tiny_world

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, SessionRefused
from orchestrator.kernel.wire import PROOF_NAME
from orchestrator.sb3.checkpoint import resume as starting
from orchestrator.sb3.resume_proof.digests import digests_of, flat_weights
from orchestrator.sb3.resume_proof.reward_digest import RewardRecord
from orchestrator.sb3.resume_proof.runner import prove_part
from orchestrator.sb3.state import training_state_io as full_state
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec

TARGET_STEPS = 640


def run_part(working: Path, way: str, *, algorithm: str = "DQN", session: int = 1, **changes: Any) -> SectionOutcome:
    proof = {"way": way, "kill_session": 0, "kill_at_steps": 0, "seams": [192, 448], **changes.pop("proof", {})}
    spec = spec_of(algorithm, **{"target_steps": TARGET_STEPS, "checkpoint_every_steps": 64, **changes})
    test_bench = bench(working, spec, session=session)
    context = replace(test_bench.context, ticket=ticket({**spec, "proof": proof}, session=session))
    try:
        return prove_part(context, tiny_world())
    finally:
        test_bench.context.reporter.close()


def ends(working: Path) -> dict[str, dict[str, Any]]:
    metrics = models_path(working, "section_7_6_rl_performance").parent / "metrics"
    plain = json.loads((metrics / PROOF_NAME).read_text("utf-8"))
    assert plain["stamp"]["nonce"].startswith("nonce-")
    for end in plain["ends"]:
        assert len((metrics / end["weights"]).read_bytes()) % 8 == 0
    return {end["name"]: end for end in plain["ends"]}


@pytest.mark.parametrize("algorithm", sorted(HYPER_PARAMETERS))
def test_a_chain_equals_the_straight_training_and_the_usual_ways_do_not(tmp_path: Path, algorithm: str) -> None:
    run_part(tmp_path / "straight", "straight", algorithm=algorithm)
    for session, target_steps in enumerate((192, 448, TARGET_STEPS), start=1):
        outcome = run_part(tmp_path / "chain", "chain", algorithm=algorithm, session=session, target_steps=target_steps)
    assert (outcome.steps_start, outcome.steps_done, outcome.resume_grade) == (448, TARGET_STEPS, "exact")
    run_part(tmp_path / "usual", "usual", algorithm=algorithm)

    straight = ends(tmp_path / "straight")["straight"]
    assert {**ends(tmp_path / "chain")["chain"], "name": "straight"} == straight
    assert {"policy", "optimizer", "environment", "reward_sequence", "numpy_rng"} <= set(straight["items"])
    controls = ends(tmp_path / "usual")
    assert len(controls) == 2
    for control in controls.values():
        assert control["steps"] == TARGET_STEPS
        for part in ("policy", "optimizer", "reward_sequence", "environment"):
            assert control["items"][part] != straight["items"][part]


def test_the_straight_training_saves_loads_and_evaluates_nothing(tmp_path: Path) -> None:
    outcome = run_part(tmp_path, "straight", evaluate_every_steps=64)
    assert (outcome.ending, outcome.steps_start, outcome.steps_done) == (KernelEnding.FINISHED, 0, TARGET_STEPS)
    assert not models_path(tmp_path, "section_7_6_rl_performance").exists()


def test_the_straight_training_refuses_a_checkpoint(tmp_path: Path) -> None:
    run_part(tmp_path, "chain", target_steps=192)
    with pytest.raises(SessionRefused, match="must start fresh"):
        run_part(tmp_path, "straight", session=2)


def test_the_proof_finds_a_part_that_is_not_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_part(tmp_path / "straight", "straight")
    run_part(tmp_path / "chain", "chain", target_steps=192)
    without_numpy_restore = tuple(
        replace(section, restore=lambda model, tree: None) if section.name == "numpy_rng" else section
        for section in full_state.SECTIONS
    )
    monkeypatch.setattr(full_state, "SECTIONS", without_numpy_restore)
    # Switch off the check of the resume itself, which would find the missing part before training.
    monkeypatch.setattr(starting, "_check_complete", lambda training, card, saved, grade: grade)
    run_part(tmp_path / "chain", "chain", session=2)
    one, other = ends(tmp_path / "straight")["straight"]["items"], ends(tmp_path / "chain")["chain"]["items"]
    assert {"policy", "replay_buffer", "reward_sequence", "numpy_rng"} <= {
        part for part in one if one[part] != other[part]
    }


def test_the_chosen_session_kills_itself_once_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def kill(pid: int, number: int) -> None:
        assert (pid, number) == (os.getpid(), 9)
        raise Killed

    monkeypatch.setattr(os, "kill", kill)
    kill_plan = {"kill_session": 1, "kill_at_steps": 200}
    with pytest.raises(Killed):
        run_part(tmp_path / "chain", "chain", proof=kill_plan)
    outcome = run_part(tmp_path / "chain", "chain", session=2, proof=kill_plan)
    assert outcome.steps_start == 192
    run_part(tmp_path / "straight", "straight")
    assert ends(tmp_path / "chain")["chain"]["items"] == ends(tmp_path / "straight")["straight"]["items"]


@pytest.mark.parametrize(("proof", "message"), [({"way": "sideways"}, "proof.way"), ({"cut": 1}, "proof.cut")])
def test_an_invalid_proof_block_is_refused_with_its_key(tmp_path: Path, proof: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_part(tmp_path, "chain", proof=proof)


def trained_model(seed: int = 7) -> tuple[Any, RewardRecord]:
    test_bench = TrainingSpec.from_json(spec_of("DQN"))
    record = RewardRecord(TinyVecEnv(4, seed))
    model = build_model(test_bench.lineage, record, device="cpu")
    model.learn(120, reset_num_timesteps=False)
    return model, record


def test_digests_change_with_one_bit_of_each_part_and_are_repeatable() -> None:
    model, record = trained_model()
    before = digests_of(model, record)
    assert digests_of(model, record) == before
    record.inner._place[0, 0] += 1e-12
    model.policy.optimizer.param_groups[0]["lr"] *= 1 + 1e-12
    model.replay_buffer.rewards[0, 0] += 1e-3
    assert {part for part in before if digests_of(model, record)[part] != before[part]} == {
        "environment",
        "optimizer",
        "replay_buffer",
    }


def test_flat_weights_are_the_parameters_of_the_policy() -> None:
    model, _ = trained_model()
    flat = flat_weights(model)
    assert flat.dtype == np.dtype("<f8")
    assert len(flat) == sum(tensor.numel() for tensor in model.policy.state_dict().values())
    assert float(model.policy.state_dict()[min(model.policy.state_dict())].ravel()[0]) == flat[0]


def test_the_reward_record_is_a_digest_of_all_rewards_and_part_of_the_state() -> None:
    record, resumed = RewardRecord(TinyVecEnv(2, 3)), RewardRecord(TinyVecEnv(2, 3))
    record.reset(), resumed.reset()
    expected = hashlib.sha256().digest()
    for step in range(6):
        _, rewards, _, _ = record.step(np.array([step % 2, 1]))
        expected = hashlib.sha256(expected + rewards.astype("<f4").tobytes()).digest()
        if step == 2:
            resumed.set_state(record.get_state())
    assert record.reward_sequence == expected.hex() != resumed.reward_sequence
    for step in range(3, 6):
        resumed.step(np.array([step % 2, 1]))
    assert resumed.reward_sequence == record.reward_sequence
