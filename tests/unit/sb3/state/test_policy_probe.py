"""A corruption with valid sha256 values is found before any step is trained."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from readings import latest_card, models_dir
from stable_baselines3 import A2C, SAC, TD3
from tiny_world import HYPER_PARAMETERS, TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state import policy_probe as seam_probe
from orchestrator.sb3.state.npz_tree import read_state, write_state
from orchestrator.sb3.state.policy_digest import tensors_digest
from orchestrator.sb3.state.policy_probe import check_seam, policy_answers, probe_tree
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec

ALGORITHMS = tuple(sorted(HYPER_PARAMETERS))


def run_training(working: Path, algorithm: str, session: int, **changes: Any) -> tuple[TrainingResult, list[str]]:
    test_bench = bench(working, spec_of(algorithm, **changes), session=session)
    try:
        return train(test_bench.context, test_bench.plan, tiny_world()), test_bench.output
    finally:
        test_bench.context.reporter.close()


def write_matching_card(working: Path, card: CheckpointCard, **identity: Any) -> None:
    """Write a card whose digests match the changed files, as a forger would."""
    folder = models_dir(working) / "checkpoints"
    files = tuple(file_entry(folder / entry.path, folder) for entry in card.files)
    forged = replace(card, files=files, identity={**card.identity, **identity})
    (folder / card.name).write_text(json.dumps(forged.to_json()), encoding="utf-8")


def plant(working: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change one parameter of the newest checkpoint and make its card agree."""
    card = latest_card(working)
    path = models_dir(working) / "checkpoints" / f"{card.stem}.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = torch.load(io.BytesIO(members["policy.pth"]), weights_only=True)
    name = next(name for name in weights if name.endswith("weight"))
    weights[name] = change(weights[name])
    stream = io.BytesIO()
    torch.save(weights, stream)
    members["policy.pth"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    write_matching_card(working, card, policy_digest=tensors_digest(weights))
    assert survey_checkpoints(models_dir(working), card.scenario).latest is not None  # every sha256 matches


def change_probe(working: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = latest_card(working)
    path = models_dir(working) / "checkpoints" / f"{card.stem}.state.npz"
    tree = read_state(path)
    change(tree)
    write_state(path, tree)
    write_matching_card(working, card)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_changed_weights_under_a_forged_card_are_refused_before_training(
    tmp_path: Path, algorithm: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_training(tmp_path, algorithm, 1, target_steps=400)
    plant(tmp_path, lambda tensor: tensor + size)
    monkeypatch.setattr(TinyVecEnv, "step_wait", None)  # any training step would fail
    with pytest.raises(SessionRefused, match=r"seam does not hold: .* by up to ") as refusal:
        run_training(tmp_path, algorithm, 2, target_steps=800)
    assert "the one before" in refusal.value.remedy


def test_an_intact_checkpoint_passes_without_a_message(tmp_path: Path) -> None:
    run_training(tmp_path, "DQN", 1, target_steps=400)
    result, output = run_training(tmp_path, "DQN", 2, target_steps=600)
    assert result.training.grade is not None and result.training.grade.grade == "exact"
    assert not [line for line in output if "probe" in line]


def test_different_last_bits_on_another_device_lower_the_grade(tmp_path: Path) -> None:
    run_training(tmp_path, "DQN", 1, target_steps=400)
    plant(tmp_path, lambda tensor: tensor * (1 + 1e-6))
    change_probe(tmp_path, lambda tree: tree["probe"].update(computed_on="a machine of yore"))
    with pytest.raises(SessionRefused, match=r"resumes as statistical, but exact is required: probe: other last bits"):
        run_training(tmp_path, "DQN", 2, target_steps=600)
    result, output = run_training(tmp_path, "DQN", 3, target_steps=600, resume_floor="statistical")
    assert result.training.grade is not None and result.training.grade.grade == "statistical"
    assert any("a machine of yore" in line for line in output)
    plant(tmp_path, lambda tensor: tensor + 0.1)
    change_probe(tmp_path, lambda tree: tree["probe"].update(computed_on="a machine of yore"))
    with pytest.raises(SessionRefused, match="seam does not hold"):
        run_training(tmp_path, "DQN", 4, target_steps=800, resume_floor="statistical")


def test_a_checkpoint_without_a_probe_is_statistical_at_best(tmp_path: Path) -> None:
    run_training(tmp_path, "DQN", 1, target_steps=400)
    change_probe(tmp_path, lambda tree: tree.pop("probe"))
    with pytest.raises(SessionRefused, match="saved without one"):
        run_training(tmp_path, "DQN", 2, target_steps=600)
    assert run_training(tmp_path, "DQN", 3, target_steps=600, resume_floor="statistical")[0].training.steps == 600


@pytest.mark.parametrize("part", ["answers", "observations"])
def test_a_changed_probe_is_found(tmp_path: Path, part: str) -> None:
    def shift(tree: dict[str, Any]) -> None:
        arrays = tree["probe"]["answers"] if part == "answers" else tree["probe"]
        name = "q_net" if part == "answers" else "observations"
        arrays[name] = arrays[name] + np.float32(0.5)

    run_training(tmp_path, "DQN", 1, target_steps=400)
    change_probe(tmp_path, shift)
    with pytest.raises(SessionRefused, match="seam does not hold"):
        run_training(tmp_path, "DQN", 2, target_steps=600, resume_floor="statistical")


def test_a_weights_only_resume_is_probed_too(tmp_path: Path) -> None:
    run_training(tmp_path, "DQN", 1, target_steps=400)
    plant(tmp_path, lambda tensor: tensor + 1.0)
    test_bench = bench(tmp_path, spec_of("DQN", target_steps=600, resume_floor="weights-only"), session=2)
    other = replace(test_bench.plan, lineage=replace(test_bench.plan.lineage, seed=8))
    spec = {**test_bench.context.ticket.spec, "lineage": {**test_bench.context.ticket.spec["lineage"], "seed": 8}}
    ticket = replace(test_bench.context.ticket, spec=spec, lineage_id="another")
    with pytest.raises(SessionRefused, match="seam does not hold"):
        train(replace(test_bench.context, ticket=ticket), other, tiny_world())
    test_bench.context.reporter.close()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_probing_changes_neither_the_generators_nor_the_training_mode(algorithm: str) -> None:
    lineage = TrainingSpec.from_json(spec_of(algorithm)).lineage
    model = build_model(lineage, TinyVecEnv(4, 7), device="cpu")
    model.learn(120, reset_num_timesteps=False)
    model.policy.set_training_mode(True)
    # The legacy state is a tuple.
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    probe = probe_tree(model)
    # The legacy state is a tuple.
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]
    assert model.policy.training
    assert all(len(answer) == 4 and answer.dtype == np.float32 for answer in probe["answers"].values())
    assert check_seam(model, probe, exact=True) is None


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        (SAC, {"actor", "critic_0", "critic_1", "critic_target_0", "critic_target_1"}),
        (TD3, {"actor", "actor_target", "critic_0", "critic_1", "critic_target_0", "critic_target_1"}),
        (A2C, {"actor", "values"}),
    ],
)
def test_continuous_policies_and_their_targets_are_probed(kind: Any, outputs: set[str]) -> None:
    model = kind("MlpPolicy", "Pendulum-v1", seed=0, policy_kwargs={"net_arch": [8]}, device="cpu")
    observations = np.ones((2, 3), dtype=np.float32)
    answers = policy_answers(model, observations)
    assert set(answers) == outputs
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(0.1)
    changed = policy_answers(model, observations)
    assert all((changed[name] != answers[name]).any() for name in outputs)


def test_an_unknown_policy_class_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(TrainingSpec.from_json(spec_of("DQN")).lineage, TinyVecEnv(4, 7), device="cpu")
    monkeypatch.setattr(seam_probe, "_Q_HEADS", ())
    with pytest.raises(ValueError, match="the outputs of a DQNPolicy are unknown"):
        policy_answers(model, np.zeros((1, 3), dtype=np.float32))
