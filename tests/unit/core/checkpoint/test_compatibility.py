"""Each difference between a checkpoint and a training has its reason and its grade."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checkpoint.compatibility import (
    Compatibility,
    Grade,
    Intended,
    Reason,
    compare,
    compare_checkpoint,
    worse_grade,
)
from orchestrator.core.checkpoint.log_messages import RestoredFile, incompatibility, nothing_found, restoration
from orchestrator.core.section.lineage import Lineage
from orchestrator.kernel.checkpoint.card import Ancestor, CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import GRADES, differences, worst
from orchestrator.kernel.wire import FileEntry

LINEAGE = Lineage(
    section="section_7_6",
    environment={"dx_m": 10.0},
    algorithm="DQN",
    network=(64, 64),
    hyper_parameters={"gamma": 0.97, "learning_rate": {"start": 1e-3}},
    seed=0,
)
INTENDED = Intended(lineage=LINEAGE, code_digest="c" * 64, versions={"torch": "2.13.0"}, device_class="cpu")
IDENTITY: dict[str, Any] = {
    **LINEAGE.to_json(),
    "versions": {"torch": "2.13.0", "numpy": "2.4"},
    "device_class": "cpu",
    "code_digest": "c" * 64,
}


def test_the_same_training_is_exact() -> None:
    assert compare(IDENTITY, INTENDED).grade is Grade.EXACT


def test_another_target_of_a_schedule_over_the_whole_training_is_statistical() -> None:
    intended = replace(INTENDED, horizon_steps=2000)
    assert compare({**IDENTITY, "horizon_steps": 2000}, intended).grade is Grade.EXACT
    (reason,) = compare({**IDENTITY, "horizon_steps": 1000}, intended).reasons
    assert reason.grade is Grade.STATISTICAL
    assert str(reason) == "Target of a schedule over the whole training: checkpoint=1000, current=2000"


@pytest.mark.parametrize(
    ("change", "label", "grade"),
    [
        ({"algorithm": "PPO"}, "Algorithm", Grade.REFUSE),
        ({"network": [128, 128]}, "Architecture", Grade.REFUSE),
        ({"seed": 1}, "Seed", Grade.WEIGHTS_ONLY),
        ({"section": "section_7_5"}, "Section", Grade.REFUSE),
        ({"environment": {"dx_m": 5.0}}, "Environment dx_m", Grade.WEIGHTS_ONLY),
        (
            {"hyper_parameters": {"gamma": 0.97, "learning_rate": {"start": 1e-4}}},
            "Hyper-parameter learning_rate.start",
            Grade.WEIGHTS_ONLY,
        ),
        (
            {"hyper_parameters": {**LINEAGE.hyper_parameters, "n_quantiles": 25}},
            "Hyper-parameter n_quantiles",
            Grade.REFUSE,
        ),
        (
            {"hyper_parameters": {**LINEAGE.hyper_parameters, "policy_kwargs": {"net_arch": {"pi": [8]}}}},
            "Hyper-parameter policy_kwargs.net_arch.pi",
            Grade.REFUSE,
        ),
        (
            {"hyper_parameters": {**LINEAGE.hyper_parameters, "policy_kwargs": {"ortho_init": False}}},
            "Hyper-parameter policy_kwargs.ortho_init",
            Grade.WEIGHTS_ONLY,
        ),
        (
            {"hyper_parameters": {**LINEAGE.hyper_parameters, "n_envs": 4}},
            "Hyper-parameter n_envs",
            Grade.WEIGHTS_ONLY,
        ),
        ({"versions": {"torch": "2.6.0"}}, "Version of torch", Grade.STATISTICAL),
        ({"device_class": "cuda"}, "Device", Grade.STATISTICAL),
        ({"code_digest": "d" * 64}, "Code", Grade.STATISTICAL),
    ],
)
def test_each_difference_is_named_and_graded(change: dict[str, Any], label: str, grade: Grade) -> None:
    comparison = compare({**IDENTITY, **change}, INTENDED)
    assert [reason.label for reason in comparison.reasons] == [label]
    assert comparison.grade is grade


@pytest.mark.parametrize("missing", sorted(set(IDENTITY) - {"versions"}))
def test_a_key_missing_from_the_card_counts_as_different(missing: str) -> None:
    identity = {name: value for name, value in IDENTITY.items() if name != missing}
    assert compare(identity, INTENDED).grade < Grade.EXACT


def test_unknown_versions_and_device_do_not_lower_the_grade() -> None:
    unknown = replace(INTENDED, versions={}, device_class=None)
    assert compare({**IDENTITY, "versions": {}, "device_class": "cuda"}, unknown).grade is Grade.EXACT


def test_the_comparison_names_the_keys_left_to_the_kernel() -> None:
    assert compare(IDENTITY, INTENDED).left_to_kernel == ("spaces",)
    unknown = replace(INTENDED, versions={}, device_class=None)
    assert compare(IDENTITY, unknown).left_to_kernel == ("spaces", "versions", "device")


def test_a_checkpoint_without_a_state_file_is_weights_only() -> None:
    comparison = compare(IDENTITY, INTENDED, has_state=False)
    assert comparison.grade is Grade.WEIGHTS_ONLY
    assert comparison.below(Grade.STATISTICAL) == ("State: checkpoint=weights only, current=full state",)
    assert comparison.below(Grade.WEIGHTS_ONLY) == ()


def test_lost_state_makes_a_checkpoint_statistical() -> None:
    comparison = compare({**IDENTITY, "lost_state": ["the wind"]}, INTENDED)
    assert comparison.grade is Grade.STATISTICAL
    assert [str(reason) for reason in comparison.reasons] == ["State: checkpoint=without the wind, current=whole"]


def test_the_grades_equal_those_of_the_kernel() -> None:
    assert [grade.word for grade in sorted(Grade, reverse=True)] == list(GRADES)
    assert [Grade.of(word).word for word in GRADES] == list(GRADES) and list(Grade) == [0, 1, 2, 3]
    assert worse_grade("exact", "weights-only") == "weights-only" == worse_grade("weights-only", None)


@given(st.permutations(range(4)))
def test_core_and_kernel_give_the_same_grade(order: list[int]) -> None:
    """The kernel compares more keys; differences in the common keys give the same grade."""
    changes: list[dict[str, Any]] = [{"seed": 1}, {"network": [1]}, {"code_digest": "x"}, {"device_class": "cuda"}]
    identity = dict(IDENTITY)
    for index in order[:2]:
        identity.update(changes[index])
    kernel_grades = [found.grade for found in differences(identity, INTENDED.identity())]
    assert compare(identity, INTENDED).grade.word == worst(kernel_grades)


def test_the_checkpoint_lines_never_change() -> None:
    reason = compare(IDENTITY, replace(INTENDED, lineage=replace(LINEAGE, network=(128, 128)))).reasons[0]
    assert incompatibility([str(reason)]) == (
        "[CHECKPOINT] ⚠️  INCOMPATIBILITY DETECTED:",
        "[CHECKPOINT]   - Architecture: checkpoint=[64, 64], current=[128, 128]",
        "[CHECKPOINT] Recommendation: Delete checkpoints to start fresh",
    )
    files = [
        RestoredFile(name="traffic_light_control_checkpoint_50000_steps.zip", size_bytes=15_300_000),
        RestoredFile(name="traffic_light_control_checkpoint_100000_steps.zip", size_bytes=15_400_000),
    ]
    assert restoration(files) == (
        "[CHECKPOINT] ====== CHECKPOINT RESTORATION ======",
        "[CHECKPOINT] Found 2 checkpoint(s) to restore:",
        "[CHECKPOINT]   ✓ traffic_light_control_checkpoint_50000_steps.zip (15.3 MB)",
        "[CHECKPOINT]   ✓ traffic_light_control_checkpoint_100000_steps.zip (15.4 MB)",
        "[CHECKPOINT] ✅ Successfully restored 2 file(s)",
    )
    assert nothing_found("validation_output/results/...") == (
        "[CHECKPOINT] No checkpoints found in validation_output/results/...",
        "[CHECKPOINT] This is normal for first run or if training didn't reach checkpoint threshold",
    )


OWN = replace(LINEAGE, section="wind", own={"gusts": 3})
OF_OWN = replace(INTENDED, lineage=OWN)


def test_the_own_keys_of_a_card_without_them_are_equal_only_in_the_same_training() -> None:
    identity = {**IDENTITY, "section": "wind"}
    assert compare(identity, OF_OWN, lineage_id=OWN.id).grade is Grade.EXACT
    for lineage_id in (None, "0" * 64):
        comparison = compare(identity, OF_OWN, lineage_id=lineage_id)
        assert [(one.label, one.grade) for one in comparison.reasons] == [("Setting gusts", Grade.WEIGHTS_ONLY)]


def test_own_keys_that_were_changed_or_removed_are_differences() -> None:
    identity = {**IDENTITY, "section": "wind", "own": {"gusts": 4}}
    changed = compare(identity, OF_OWN, lineage_id=OWN.id)
    assert [str(one) for one in changed.reasons] == ["Setting gusts: checkpoint=4, current=3"]
    removed = compare(identity, replace(INTENDED, lineage=replace(LINEAGE, section="wind")))
    assert [str(one) for one in removed.reasons] == ["Setting gusts: checkpoint=4, current=None"]


def test_a_part_that_neither_card_nor_training_has_is_no_difference() -> None:
    for nothing in (None, {}, ()):
        bare = replace(INTENDED, lineage=replace(LINEAGE, environment=nothing))
        identity = {name: value for name, value in IDENTITY.items() if name != "environment"}
        assert compare(identity, replace(bare, lineage=replace(LINEAGE, environment={}))).grade is Grade.EXACT


def test_the_grade_is_the_lowest_and_reasons_below_a_floor_are_those_under_it() -> None:
    reasons = tuple(Reason(label=grade.word, checkpoint=1, current=2, grade=grade) for grade in list(Grade)[:3])
    comparison = Compatibility(reasons=reasons, left_to_kernel=("spaces",))
    assert comparison.grade is Grade.REFUSE and Compatibility(reasons=()).grade is Grade.EXACT
    assert comparison.below(Grade.STATISTICAL) == tuple(str(one) for one in reasons[:2])
    assert comparison.to_json() == {
        "grade": "refuse",
        "reasons": [{"reason": f"{one.label}: checkpoint=1, current=2", "grade": one.label} for one in reasons],
        "left_to_kernel": ["spaces"],
    }


def test_the_worse_of_an_unknown_and_a_known_grade_is_the_known_one() -> None:
    assert worse_grade(None, None) is None
    assert worse_grade(None, "exact") == "exact" == worse_grade("exact", None)
    assert worse_grade("statistical", "exact") == "statistical"


def test_a_digest_is_shown_with_its_first_twelve_digits() -> None:
    (reason,) = compare({**IDENTITY, "code_digest": "0123456789abcdef"}, INTENDED).reasons
    assert (reason.checkpoint, reason.current) == ("0123456789ab", "c" * 12)
    for key, value in (("algorithm", "AnAlgorithmWithALongName"), ("network", [128, 128, 128, 128])):
        (other,) = compare({**IDENTITY, key: value}, INTENDED).reasons
        assert other.checkpoint == value


def _card(
    identity: dict[str, Any], *, adopted: bool = False, state: bool = True, trained: bool = False
) -> CheckpointCard:
    stem = "x_checkpoint_10_steps"
    return CheckpointCard(
        stem=stem,
        scenario="x",
        steps=10,
        files=tuple(
            FileEntry(path=stem + suffix, size_bytes=1, sha256="a" * 64)
            for suffix in (".zip", *([".state.npz"] if state else []))
        ),
        identity=identity,
        stamp={"lineage_id": OWN.id, "session": 1},
        saved_at="",
        ancestry=(Ancestor(steps=1, digest="b" * 64),) if trained else (),
        adopted={"file": "mine.zip"} if adopted else None,
    )


def test_a_card_is_compared_with_its_state_and_its_lineage() -> None:
    identity = {**IDENTITY, "section": "wind"}
    assert compare_checkpoint(_card(identity), OF_OWN).grade is Grade.EXACT
    assert compare_checkpoint(_card(identity, state=False), OF_OWN).grade is Grade.WEIGHTS_ONLY
    assert compare_checkpoint(_card(identity, adopted=True, trained=True), OF_OWN).grade is Grade.EXACT


def test_an_adopted_model_is_refused_only_by_what_its_card_states() -> None:
    adopted = compare_checkpoint(_card({"seed": 7, "algorithm": "DQN"}, adopted=True), INTENDED)
    assert [str(one) for one in adopted.reasons] == [
        "State: checkpoint=weights adopted from mine.zip, current=full state"
    ]
    assert (adopted.grade, adopted.left_to_kernel) == (Grade.WEIGHTS_ONLY, ("spaces", "network"))
    refused = compare_checkpoint(_card({"algorithm": "PPO"}, adopted=True), INTENDED)
    assert [one.label for one in refused.reasons] == ["Algorithm", "State"] and refused.grade is Grade.REFUSE
