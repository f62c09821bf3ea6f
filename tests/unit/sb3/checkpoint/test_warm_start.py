"""Starting another training from a checkpoint's weights: only with the user's consent, recorded in the ancestry."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from readings import latest_card, models_dir
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from tiny_world import HYPER_PARAMETERS, bench, spec_of, tiny_world

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.checkpoint import resume as starting
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import same_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import model_bytes
from orchestrator.sb3.state.training_state_io import capture_state


def run_training(working: Path, spec: dict[str, Any], session: int = 1) -> tuple[TrainingResult, list[str]]:
    test_bench = bench(working, spec, session=session)
    try:
        return train(test_bench.context, test_bench.plan, tiny_world()), test_bench.output
    finally:
        test_bench.context.reporter.close()


def other_training(algorithm: str, target_steps: int, **changes: Any) -> dict[str, Any]:
    """A spec with the same algorithm and network and another discount factor."""
    spec = spec_of(algorithm, target_steps=target_steps, **{"resume_floor": "weights-only", **changes})
    spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS[algorithm], "gamma": 0.9}
    return spec


@pytest.mark.parametrize("algorithm", sorted(HYPER_PARAMETERS))
def test_only_the_weights_are_loaded_and_the_ancestry_records_it(
    tmp_path: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = run_training(tmp_path, spec_of(algorithm, target_steps=640))
    before = policy_digest(first.training.model.policy)
    seen: dict[str, Any] = {}
    original = starting.begin_from_weights

    def recorded(training: Any, card: Any, grade: Any) -> None:
        original(training, card, grade)
        model = training.model
        learner = getattr(model.policy, "optimizer", None) or model.policy.actor.optimizer
        seen.update(digest=policy_digest(model.policy), optimizer=dict(learner.state_dict()["state"]))
        layer = model.get_vec_normalize_env()
        seen.update(normalized=None if layer is None else layer.ret_rms.count)
        seen.update(replay=getattr(model, "replay_buffer", None) and model.replay_buffer.size())
        seen.update(exploration=getattr(model, "exploration_rate", None), last_obs=model._last_obs)

    monkeypatch.setattr(starting, "begin_from_weights", recorded)
    second, output = run_training(tmp_path, other_training(algorithm, 1280), session=2)
    assert (seen["digest"], seen["optimizer"], seen["replay"] or 0, seen["last_obs"]) == (before, {}, 0, None)
    assert seen["normalized"] is None or seen["normalized"] > 600
    if seen["exploration"] is not None:  # from 1.0 to 0.2 over 1500 steps, at step 640
        assert seen["exploration"] == pytest.approx(1.0 - 0.8 * 640 / 1500)
    assert second.training.grade is not None and second.training.grade.grade == "weights-only"
    assert "hyper_parameters.gamma: checkpoint=0.97, current=0.9" in second.training.grade.reasons
    assert (second.training.steps_start, second.training.steps) == (640, 1280)
    assert second.facts["policy_digest_before"] == before != second.facts["policy_digest_after"]
    assert any(
        line.startswith("[CHECKPOINT] Loading checkpoint traffic_light_control_checkpoint_640") for line in output
    )
    assert any(line.startswith("[CHECKPOINT] Weights only: a new training from 640 steps on") for line in output)
    card = latest_card(tmp_path)
    taken_over = [(ancestor.steps, ancestor.continued) for ancestor in card.ancestry]
    assert taken_over[0] == (640, "weights-only")
    assert {grade for _, grade in taken_over[1:]} <= {"exact"}
    assert card.lowest_grade == "weights-only"

    third, _ = run_training(tmp_path, other_training(algorithm, 1344, resume_floor="exact"), session=3)
    assert third.training.grade is not None and third.training.grade.grade == "exact"
    assert latest_card(tmp_path).lowest_grade == "weights-only"  # it stays so


@pytest.mark.parametrize("algorithm", ["DQN", "QRDQN", "SAC", "TD3"])
def test_the_replay_buffer_is_refilled_by_the_policy_before_learning_despite_cuts(
    tmp_path: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_training(tmp_path / "straight", spec_of(algorithm, target_steps=640))
    shutil.copytree(tmp_path / "straight", tmp_path / "chain")
    random_steps: set[int] = set()
    original = OffPolicyAlgorithm._sample_action

    def recorded(model: Any, learning_starts: int, *words: Any, **named: Any) -> Any:
        random_steps.add(learning_starts)
        return original(model, learning_starts, *words, **named)

    monkeypatch.setattr(OffPolicyAlgorithm, "_sample_action", recorded)
    straight, _ = run_training(tmp_path / "straight", other_training(algorithm, 960), session=2)
    # The declared 100 steps fill the buffer first; four environments step at once: updates from step 744 to 960.
    assert straight.facts["gradient_updates_this_session"] == (960 - 740) // 4
    for session, target_steps, updates in ((2, 684, 0), (3, 800, 15), (4, 960, 40)):
        floor = "weights-only" if session == 2 else "exact"
        chain, _ = run_training(
            tmp_path / "chain", other_training(algorithm, target_steps, resume_floor=floor), session=session
        )
        assert chain.facts["gradient_updates_this_session"] == updates
    assert random_steps == {0}
    assert same_state(capture_state(chain.training.model), capture_state(straight.training.model))
    assert model_bytes(chain.training.model) == model_bytes(straight.training.model)


def test_without_consent_it_is_refused_and_the_remedy_names_the_flag(tmp_path: Path) -> None:
    run_training(tmp_path, spec_of("DQN", target_steps=400))
    with pytest.raises(SessionRefused, match=r"hyper_parameters.gamma: .*") as refusal:
        run_training(tmp_path, other_training("DQN", 800, resume_floor="statistical"), session=2)
    assert "--accept-grade weights-only" in refusal.value.remedy


@pytest.mark.parametrize("change", [{"network": [8]}, {"algorithm": "QRDQN"}])
def test_weights_of_another_network_or_algorithm_are_always_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    run_training(tmp_path, spec_of("DQN", target_steps=400))
    spec = other_training("DQN", 800)
    spec["lineage"].update(change)
    if "algorithm" in change:
        spec["lineage"]["hyper_parameters"] = HYPER_PARAMETERS[change["algorithm"]]
    with pytest.raises(SessionRefused, match="cannot be continued"):
        run_training(tmp_path, spec, session=2)


def test_weights_that_differ_from_the_card_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_training(tmp_path, spec_of("DQN", target_steps=400))
    original = torch.nn.Module.load_state_dict

    def shifted(module: Any, state: Any, **words: Any) -> Any:
        return original(module, {name: tensor + 1e-3 for name, tensor in state.items()}, **words)

    monkeypatch.setattr("stable_baselines3.common.policies.BasePolicy.load_state_dict", shifted)
    with pytest.raises(SessionRefused, match="its card states another one"):
        run_training(tmp_path, other_training("DQN", 800), session=2)
    assert models_dir(tmp_path).is_dir()
