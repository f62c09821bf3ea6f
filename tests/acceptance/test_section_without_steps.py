"""A section that counts no steps: it runs once to its end, and no command asks for steps or speaks of a target."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project

ENTRY = """
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict


def run(context):
    return SectionOutcome(ending=KernelEnding.FINISHED, verdict=Verdict.SUPPORTED, summary={"error": 0.5})
"""
CARD = """\
section: exact
entry_point: validation_ch7.exact.entry
profiles:
  quick: {evaluation_scenarios: 1, deadline_s: 60.0}
  full: {evaluation_scenarios: 2, deadline_s: 60.0}
"""
CAMPAIGN = "campaign: proofs\ntrials:\n  main:\n    section: exact\n    profile: quick\n    seeds: 1\n"
QUICK = ("run", "exact", "--quick")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_toy_project(tmp_path / "project")
    for name, text in {
        "validation_ch7/exact/__init__.py": "",
        "validation_ch7/exact/entry.py": ENTRY,
        "configs/sections/exact.yaml": CARD,
        "configs/campaigns/proofs.yaml": CAMPAIGN,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    return root


def _shown(root: Path, *words: str) -> str:
    answer = orchestrate(root, *words)
    assert answer.code == 0, answer.out + answer.err
    return answer.out


def test_every_command_says_that_it_ran_to_its_end(project: Path) -> None:
    first = _shown(project, *QUICK)
    assert "\nFinished\n1 session(s)\n" in first and "steps" not in first.partition("Finished")[2]
    assert "Already finished; --fresh runs it again" in _shown(project, *QUICK)
    assert "Already finished: `run` would send nothing" in _shown(project, *QUICK, "--dry-run")
    again = _shown(project, *QUICK, "--fresh")
    assert "no effect" not in again and "\nFinished\n" in again

    why = _shown(project, "why", "exact")
    assert "Verdict: finished: it ran to its end" in why and "target" not in why and "0 steps" not in why
    status = _shown(project, "status", "exact")
    assert "exact: no steps and no checkpoints, one session runs to its end" in status
    assert "no steps  finished  supported" in status and "0 -> 0" not in status
    assert "counts no steps and saves none" in _shown(project, "checkpoints", "list", "exact")
    report = _shown(project, "report", "exact")
    assert "exact, seed 0 (quick): supported, 1 session(s)" in report, "the repeated run has one session"
    assert "Verdict: supported.\n" in _shown(project, "report", "exact-")
    assert "main seed 0: done, verdict supported" in _shown(project, "campaign", "status", "proofs")
    assert "1 done" in _shown(project, "campaign", "plan", "proofs")
    assert "Checkpoint system: VERIFIED" in _shown(project, "verify", "exact")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((*QUICK, "--target-steps", "100"), "--target-steps"),
        ((*QUICK, "--add-steps", "100"), "--add-steps"),
        ((*QUICK, "--set", "profiles.quick.target_steps=9"), "profiles.quick.target_steps"),
        (("render", "exact", "--quick", "--target-steps", "9"), "--target-steps"),
        (("campaign", "plan", "stepped"), "profiles.quick.target_steps"),
    ],
)
def test_steps_are_refused(
    project: Path, words: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stepped = CAMPAIGN.replace("proofs", "stepped") + "    settings: {profiles.quick.target_steps: 9}\n"
    (project / "configs/campaigns/stepped.yaml").write_text(stepped, encoding="utf-8")
    assert main(list(words)) == 2
    refused = capsys.readouterr().err
    assert f"{named} has no effect on exact: it counts no steps and runs to its end" in refused
    assert "give its profiles target_steps in the card" in refused


def test_a_proof_of_resume_is_refused_and_a_variable_is_only_mentioned(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", "exact"]) == 2
    assert "there is no resume to prove" in capsys.readouterr().err
    monkeypatch.setenv("ORCHESTRATOR_TARGET_STEPS", "5")
    assert main([*QUICK, "--dry-run"]) == 0
    assert "ORCHESTRATOR_TARGET_STEPS=5 has no effect: exact counts no steps and runs to its end" in (
        capsys.readouterr().out
    )


def test_a_section_with_steps_in_its_card_takes_a_target(project: Path) -> None:
    (project / "configs/sections/exact.yaml").write_text(
        CARD.replace("quick: {", "quick: {checkpoint_every_steps: 5, "), encoding="utf-8"
    )
    assert main([*QUICK, "--target-steps", "9", "--dry-run"]) == 0
