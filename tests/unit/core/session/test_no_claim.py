"""Whether a finished session without a verdict is complete: the outcome decides, else the criteria of the card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.run.summary import RunSummary
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest


def manifest(outcome: SectionOutcome) -> dict[str, Any]:
    plain = Manifest(
        stamp={},
        spec={},
        started_at="",
        ended_at="",
        exit_code=0,
        error=None,
        outcome=outcome,
        inputs=(),
        files=(),
        timings_s={},
    ).to_json()
    read: dict[str, Any] = json.loads(json.dumps(plain))
    return read


@pytest.mark.parametrize(
    ("claim", "spec", "expected"),
    [
        (None, {"criteria": {"level": 5}}, False),
        (None, {"criteria": {}}, True),
        (None, {"criteria": None}, True),
        (None, {}, True),
        (False, {"criteria": {"level": 5}}, True),
        (True, {}, False),
    ],
)
def test_the_outcome_decides_then_the_criteria(claim: bool | None, spec: dict[str, Any], expected: bool) -> None:
    outcome = SectionOutcome(ending=KernelEnding.FINISHED, claim=claim)
    assert outcome.makes_no_claim(spec) is expected
    assert not SectionOutcome(ending=KernelEnding.PAUSED, claim=claim).makes_no_claim(spec)


def test_a_verdict_is_a_claim() -> None:
    outcome = SectionOutcome(ending=KernelEnding.FINISHED, verdict=Verdict.SUPPORTED)
    assert not outcome.makes_no_claim({})
    with pytest.raises(ValueError, match="contradict"):
        SectionOutcome(ending=KernelEnding.FINISHED, verdict=Verdict.SUPPORTED, claim=False)


@pytest.mark.parametrize("claim", [True, False])
def test_a_manifest_keeps_what_the_section_says(claim: bool) -> None:
    plain = manifest(SectionOutcome(ending=KernelEnding.FINISHED, claim=claim))
    assert plain["claim"] is claim and Manifest.from_json(plain).outcome.claim is claim


def test_a_manifest_of_a_section_that_says_nothing_is_that_of_earlier_versions() -> None:
    plain = manifest(SectionOutcome(ending=KernelEnding.FINISHED))
    assert "claim" not in plain
    assert Manifest.from_json(plain).outcome.claim is None


@pytest.mark.parametrize("claim", ["no", 0, []])
def test_a_manifest_with_another_type_is_damaged(claim: object) -> None:
    plain = manifest(SectionOutcome(ending=KernelEnding.FINISHED))
    with pytest.raises(ValueError, match="claim must be true or false, not"):
        Manifest.from_json({**plain, "claim": claim})


@pytest.mark.parametrize(
    ("end_reason", "no_claim", "problems", "lacking", "code"),
    [
        ("finished", True, (), (), 0),
        ("at_target", True, (), (), 0),
        ("finished", False, (), (), 1),
        ("finished", True, ("damaged",), (), 1),
        ("finished", True, ("late",), ("late",), 0),
        (EndReason.CRASHED.value, True, (), (), 1),
    ],
)
def test_the_exit_code_of_a_run(
    end_reason: str, no_claim: bool, problems: tuple[str, ...], lacking: tuple[str, ...], code: int
) -> None:
    summary = RunSummary(
        run_id="r",
        section="s",
        profile="quick",
        backend="local",
        lineage_id="l",
        sessions=1,
        steps_start=0,
        steps_done=40,
        target_steps=40,
        end_reason=end_reason,
        no_claim=no_claim,
        problems=problems,
        lacking=lacking,
    )
    plain = summary.to_json()
    assert (summary.exit_code, plain["exit_code"], plain["verdict"]) == (code, code, None)
