"""A section of the training loop begins with a model from elsewhere: weights only, then exact from its own saves."""

import hashlib
import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from readings import latest_card, models_dir
from tiny_world import bench, spec_of, tiny_world

from orchestrator.core.checkpoint.adoption import ForeignModel, adopted_card
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.refill_replay import began_from_weights_at
from orchestrator.sb3.checkpoint.foreign_weights import read_adopted_policy
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import write_model
from orchestrator.stores.adoption.foreign_model import read_foreign_model
from orchestrator.stores.adoption.placing import stage


def run_training(working: Path, spec: dict[str, Any], session: int = 1) -> tuple[TrainingResult, list[str]]:
    test_bench = bench(working, spec, session=session)
    try:
        return train(test_bench.context, test_bench.plan, tiny_world()), test_bench.output
    finally:
        test_bench.context.reporter.close()


def learned(tmp_path: Path, algorithm: str) -> tuple[Path, str]:
    """A model file, and the digest of its policy."""
    result, _ = run_training(tmp_path / "elsewhere", spec_of(algorithm, target_steps=64))
    result.training.model.save(tmp_path / "learned.zip")
    return tmp_path / "learned.zip", policy_digest(result.training.model.policy)


def adopt(working: Path, model: ForeignModel, steps: int, **identity: Any) -> CheckpointCard:
    spec = spec_of("DQN", target_steps=1)
    card = adopted_card(
        model,
        scenario=spec["scenario"],
        steps=steps,
        identity={"section": "section_7_6", "lineage_id": "a" * 64, "seed": 99, **identity},
        section="section_7_6",
        lineage_id="a" * 64,
        nonce="b" * 32,
        now=datetime.now(UTC),
    )
    stage(models_dir(working), model, card)
    return card


@pytest.mark.parametrize("algorithm", ["PPO", "DQN", "SAC"])
def test_it_trains_on_from_the_weights_whatever_the_floor_and_stays_weights_only(
    tmp_path: Path, algorithm: str
) -> None:
    path, digest = learned(tmp_path, algorithm)
    found = read_foreign_model(path)
    assert found.algorithm == algorithm
    working = tmp_path / "here"
    first = adopt(working, found, 320, algorithm=algorithm)
    result, output = run_training(working, spec_of(algorithm, target_steps=640, resume_floor="exact"))
    assert result.facts["policy_digest_before"] == digest != result.facts["policy_digest_after"]
    assert (result.training.steps_start, result.training.grade and result.training.grade.grade) == (320, "weights-only")
    assert any("weights-only since 320 steps (adopted from" in line for line in output)
    card = latest_card(working)
    assert (card.lowest_grade, card.adopted) == ("weights-only", first.adopted)
    assert (card.ancestry[0].steps, card.ancestry[0].digest) == (320, first.digest)
    assert began_from_weights_at(card) == 320
    second, _ = run_training(working, spec_of(algorithm, target_steps=704, resume_floor="exact"), session=2)
    assert second.training.grade is not None and second.training.grade.grade == "exact"
    assert (latest_card(working).lowest_grade, latest_card(working).adopted) == ("weights-only", first.adopted)


def test_statistics_beside_the_model_go_on_and_without_them_the_normalization_starts_over(tmp_path: Path) -> None:
    elsewhere, _ = run_training(tmp_path / "elsewhere", spec_of("SAC", target_steps=64))
    write_model(elsewhere.training.model, tmp_path / "learned.zip")
    layer = elsewhere.training.model.get_vec_normalize_env()
    found = read_foreign_model(tmp_path / "learned.zip")
    assert layer is not None and found.normalization is not None
    assert found.notes == ("Normalization: the statistics in learned.vecnormalize.json go on",)
    bare = replace(found, normalization=None)
    counts: dict[str, float] = {}
    for name, model in (("with", found), ("without", bare)):
        adopt(tmp_path / name, model, 64)
        result, output = run_training(tmp_path / name, spec_of("SAC", target_steps=64))  # trains no step
        normalization = result.training.model.get_vec_normalize_env()
        counts[name] = normalization.ret_rms.count if normalization else 0.0
        assert any("The normalization starts over" in line for line in output) is (name == "without")
    assert counts["with"] == layer.ret_rms.count and counts["without"] < 1


def test_weights_that_do_not_fit_are_refused_with_the_first_tensor(tmp_path: Path) -> None:
    path, _ = learned(tmp_path, "DQN")
    working = tmp_path / "here"
    adopt(working, read_foreign_model(path), 64)
    spec = spec_of("DQN", target_steps=640)
    spec["lineage"]["network"] = [5, 7]
    shape = r"the tensor q_net\.q_net\.0\.weight has the shape \d+x3, the network's 5x3"
    with pytest.raises(SessionRefused, match=shape):
        run_training(working, spec)


@pytest.mark.parametrize(("stated", "match"), [("DQN", "is of DQN, but this training builds PPO"), (None, "lack the")])
def test_another_algorithm_is_refused_by_name_or_by_its_tensors(tmp_path: Path, stated: str | None, match: str) -> None:
    path, _ = learned(tmp_path, "DQN")
    adopt(tmp_path / "here", replace(read_foreign_model(path), algorithm=stated), 64)
    with pytest.raises(SessionRefused, match=match):
        run_training(tmp_path / "here", spec_of("PPO", target_steps=640))


@pytest.mark.parametrize("changed", [{"section": "another"}, {"algorithm": "PPO"}])
def test_a_card_of_another_training_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    path, _ = learned(tmp_path, "DQN")
    adopt(tmp_path / "here", read_foreign_model(path), 64, **changed)
    with pytest.raises(SessionRefused, match="cannot be used"):
        run_training(tmp_path / "here", spec_of("DQN", target_steps=640))


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> Any:
        return open, (self._path, "w")


def test_the_session_never_executes_what_a_policy_file_holds(tmp_path: Path) -> None:
    tensors, content = io.BytesIO(), io.BytesIO()
    torch.save({"weight": Bomb(tmp_path / "exploded")}, tensors)
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("policy.pth", tensors.getvalue())
    result, _ = run_training(tmp_path / "any", spec_of("DQN", target_steps=64))
    model = ForeignModel(
        content=content.getvalue(),
        sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        normalization=None,
        file="bomb.zip",
        origin="bomb.zip",
        algorithm=None,
        steps=0,
    )
    card = adopt(tmp_path / "here", model, 0)
    with pytest.raises(SessionRefused, match=r"policy\.pth in the adopted model bomb\.zip is damaged or holds more"):
        read_adopted_policy(content.getvalue(), card, result.training.model)
    assert not (tmp_path / "exploded").exists()
