import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from tiny_world import TinyVecEnv, ticket, tiny_spec

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.wire import FileEntry
from orchestrator.sb3.state.finite import non_finite_parts
from orchestrator.sb3.state.identity import current_identity, describe_space, grade_resume
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec


@pytest.fixture(scope="module")
def identity() -> dict[str, Any]:
    spec = tiny_spec()
    model = build_model(TrainingSpec.from_json(spec).lineage, TinyVecEnv(4, 7), device="cpu")
    return current_identity(ticket(spec), model)


def card(identity: dict[str, Any]) -> CheckpointCard:
    stem = "traffic_light_control_checkpoint_500_steps"
    files = tuple(FileEntry(path=stem + suffix, size_bytes=1, sha256="0") for suffix in (".zip", ".state.npz"))
    return CheckpointCard(
        stem=stem,
        scenario="traffic_light_control",
        steps=500,
        files=files,
        identity=json.loads(json.dumps(identity)),  # as read back from a card file
        stamp=ticket(tiny_spec()).stamp(),
        saved_at="2026-01-01T00:00:00+00:00",
    )


def altered(identity: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(identity)
    place = changed
    *outer, last = path.split(".")
    for name in outer:
        place = place[name]
    place[last] = value
    return changed


def test_an_equal_identity_is_exact_for_any_weights(identity: dict[str, Any]) -> None:
    grade = grade_resume(card({**identity, "policy_digest": "other"}), identity, floor="exact")
    assert (grade.grade, grade.reasons) == ("exact", ())


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("versions.torch", "1.0", "versions.torch: checkpoint=1.0, current="),
        ("versions.python", "3.1", "versions.python: checkpoint=3.1, current="),
        ("device_class", "cuda", "device_class: checkpoint=cuda, current=cpu"),
        ("code_digest", "c", "code_digest: checkpoint=c, current=bbbb"),
    ],
)
def test_other_versions_or_code_are_statistical(path: str, value: Any, reason: str, identity: dict[str, Any]) -> None:
    old = card(altered(identity, path, value))
    grade = grade_resume(old, identity, floor="statistical")
    assert grade.grade == "statistical" and len(grade.reasons) == 1 and reason in grade.reasons[0]
    with pytest.raises(SessionRefused, match=r"resumes as statistical, but exact is required: .*checkpoint="):
        grade_resume(old, identity, floor="exact")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("algorithm", "PPO", "algorithm: checkpoint=PPO, current=DQN"),
        ("network", [64, 64], r"network: checkpoint=\[64, 64\], current=\[16, 16\]"),
        ("observation_space.shape", [15], r"observation_space.shape: checkpoint=\[15\], current=\[3\]"),
        ("action_space.n", 4, "action_space.n: checkpoint=4, current=2"),
        ("hyper_parameters.gamma", 0.5, "hyper_parameters.gamma: checkpoint=0.5, current=0.97"),
        ("environment.kind", "other", "environment.kind: checkpoint=other, current=tiny"),
        ("seed", 8, "seed: checkpoint=8, current=7"),
        ("lineage_id", "x", "lineage_id: checkpoint=x, current="),
        ("section", "section_7_3", "section: checkpoint=section_7_3"),
    ],
)
def test_another_training_is_refused_with_the_reason(
    path: str, value: Any, reason: str, identity: dict[str, Any]
) -> None:
    with pytest.raises(SessionRefused, match=reason):
        grade_resume(card(altered(identity, path, value)), identity, floor="statistical")


def test_all_reasons_are_reported_at_once(identity: dict[str, Any]) -> None:
    old = card(altered(altered(identity, "seed", 8), "network", [1]))
    with pytest.raises(SessionRefused, match=r"network: .*; seed: "):
        grade_resume(old, identity, floor="statistical")


def test_every_key_of_an_identity_is_compared(identity: dict[str, Any]) -> None:
    for name in set(identity) - {"policy_digest"}:
        without_key = {key: value for key, value in identity.items() if key != name}
        try:
            assert grade_resume(card(without_key), identity, floor="statistical").grade == "statistical", name
        except SessionRefused as refusal:
            assert f"{name}: checkpoint=None" in str(refusal)


def test_lost_state_is_reported_once(identity: dict[str, Any]) -> None:
    with_lost_state = altered(identity, "lost_state", ["the wind"])
    grade = grade_resume(card(with_lost_state), with_lost_state, floor="statistical")
    assert grade.grade == "statistical"
    assert grade.reasons == ("the checkpoint could not keep everything: the wind",)


def test_weights_alone_are_refused(identity: dict[str, Any]) -> None:
    whole = card(identity)
    with pytest.raises(SessionRefused, match="only its weights"):
        grade_resume(replace(whole, files=whole.files[:1]), identity, floor="statistical")


def test_a_space_is_described_by_kind_shape_and_bounds() -> None:
    box = gymnasium.spaces.Box(np.array([0, -np.inf]), np.array([1, np.inf]), dtype=np.float64)
    assert describe_space(box) == {
        "kind": "Box",
        "shape": [2],
        "dtype": "float64",
        "low": ["0.0", "-inf"],
        "high": ["1.0", "inf"],
    }
    assert describe_space(gymnasium.spaces.Discrete(2)) == {"kind": "Discrete", "n": 2, "start": 0}
    assert describe_space(gymnasium.spaces.MultiBinary(3)) == {"kind": "MultiBinary", "text": "MultiBinary(3)"}


def test_a_policy_digest_is_repeatable_and_changes_with_one_bit() -> None:
    policy = torch.nn.Linear(2, 2)
    before = policy_digest(policy)
    assert policy_digest(policy) == before and not list(non_finite_parts(policy.state_dict()))
    with torch.no_grad():
        policy.bias[0] = torch.nextafter(policy.bias[0], torch.tensor(10.0))
    assert policy_digest(policy) != before
    with torch.no_grad():
        policy.bias[1] = torch.nan
    assert [found.part for found in non_finite_parts(policy.state_dict())] == ["bias"]


def test_the_identity_is_plain_json(identity: dict[str, Any], tmp_path: Path) -> None:
    assert json.loads(json.dumps(identity, allow_nan=False)) == identity
