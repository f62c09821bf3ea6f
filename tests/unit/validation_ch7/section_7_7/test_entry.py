"""Whole sessions of the section: finished, cut and continued, with and without policies."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_world
import yaml
from made_study import CARD, environment

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.context import SessionContext
from tests.doubles.best_models import make_best_model
from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_7_robustness import entry, write_results
from validation_ch7.section_7_7_robustness.collect import collect
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.evaluation import study

FAMILIES = {"detector_noise": [0.4], "lane_blocked": [0.75]}
CONDITIONS = ("nominal", "detector_noise", "lane_blocked")


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    monkeypatch.setattr(entry, "POLICIES", folder)
    return folder


def spec(**changes: Any) -> dict[str, Any]:
    """Two hours of ten minutes under three conditions, two controllers."""
    card = yaml.safe_load(CARD.read_text(encoding="utf-8"))
    controllers = {profile: ["actuated", "fixed_time"] for profile in ("quick", "full")}
    families = {profile: FAMILIES for profile in ("quick", "full")}
    own = {"study": {"families": families, "controllers": controllers, "tuning_scenarios": 1}}
    lineage = {"section": "section_7_7", "environment": environment(episode_s=600.0), "seed": 0, **own}
    found = {
        "section": "section_7_7",
        "section_dir": "section_7_7_robustness",
        "scenario": "robustness",
        "profile": "quick",
        "lineage": lineage,
        "evaluation_scenarios": 2,
        "deadline_s": None,
        "criteria": card["criteria"],
        "resume_floor": "statistical",
        "device": "cpu",
    }
    return json.loads(json.dumps({**found, **changes}))  # type: ignore[no-any-return]  # through JSON, as in a session


def session(
    root: Path,
    *,
    number: int = 1,
    leave_after: int | None = None,
    leave_after_tuned: int | None = None,
    draws: bool = False,
    **changes: Any,
) -> SectionOutcome:
    """One session; it is asked to stop after some evaluations or tunings."""
    plain = spec(**changes)
    made = tiny_world.bench(root, tiny_world.tiny_spec())
    context: SessionContext = replace(made.context, ticket=tiny_world.ticket(plain, session=number))
    evaluated = study.evaluated
    count = 0

    def counted(*words: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == leave_after:
            made.stop.request()
        return evaluated(*words, **named)

    tuned, n_tuned = study.tuned, 0

    def counted_tuning(*words: Any, **named: Any) -> Any:
        nonlocal n_tuned
        n_tuned += 1
        if n_tuned == leave_after_tuned:
            made.stop.request()
        return tuned(*words, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "evaluated", counted)
        patch.setattr(study, "tuned", counted_tuning)
        if not draws:
            patch.setattr(write_results, "draw", lambda *words, **named: None)
        try:
            outcome = entry.run(context)
        finally:
            context.reporter.close()
    write_json(root / "count.json", {"count": count})
    return outcome


def rows(root: Path) -> list[dict[str, str]]:
    text = (root / tiny_world.SECTION_DIR / "data/metrics/robustness_hours.csv").read_text(encoding="utf-8")
    return [{**row, "nonce": ""} for row in csv.DictReader(io.StringIO(text))]


def n_evaluated(root: Path) -> int:
    return int(json.loads((root / "count.json").read_text(encoding="utf-8"))["count"])


def test_without_a_policy_the_classical_controllers_are_evaluated(tmp_path: Path, policies: Path) -> None:
    outcome = session(tmp_path / "a", draws=True)
    assert (outcome.ending, outcome.verdict) == (KernelEnding.FINISHED, Verdict.INCONCLUSIVE)
    assert "python -m validation_ch7.section_7_7_robustness.collect" in outcome.verdict_reasons[0]
    assert outcome.steps_done == len(CONDITIONS) * 2 + 2, "six evaluations, and two controllers tuned"
    metrics = tmp_path / "a" / tiny_world.SECTION_DIR / "data/metrics"
    content = json.loads((metrics / "robustness.json").read_text(encoding="utf-8"))
    assert [(row["family"], row["controller"]) for row in content["rows"]] == [
        (family, name) for family in CONDITIONS for name in ("fixed_time", "actuated")
    ]
    assert content["tuned"]["actuated"]["n_tuning_scenarios"] == 1 and content["policies"] == {}
    for path in metrics.iterdir():
        if path.name.startswith("robustness"):
            assert "nonce-1" in path.read_text(encoding="utf-8"), path.name
    figures = (tmp_path / "a" / tiny_world.SECTION_DIR / "figures").glob("*.png")
    assert {path.name for path in figures} == {"fig_degradation_ratio.png", "fig_degradation_delay.png"}


def test_a_session_that_is_cut_continues_and_ends_with_the_same_numbers(tmp_path: Path, policies: Path) -> None:
    digest = make_best_model(tmp_path / "models")
    collect([tmp_path / "models"], policies)
    straight = session(tmp_path / "straight")
    cut = session(tmp_path / "cut", leave_after=4)
    assert (cut.ending, cut.verdict, cut.steps_done) == (KernelEnding.STOPPED, None, 2 + 4)
    assert not list((tmp_path / "cut").rglob("robustness.json"))
    end = session(tmp_path / "cut", number=2)
    assert (end.ending, end.steps_start, end.steps_done) == (KernelEnding.FINISHED, 2 + 4, 2 + 9)
    assert n_evaluated(tmp_path / "cut") == 9 - 4 + 3, "five that were missing, and three measured again"
    assert rows(tmp_path / "cut") == rows(tmp_path / "straight")
    assert end.verdict is straight.verdict and end.verdict_reasons == straight.verdict_reasons
    assert end.summary["policies"] == [digest]


def test_a_session_that_is_cut_while_it_tunes_keeps_what_is_tuned(tmp_path: Path, policies: Path) -> None:
    """Sessions that are shorter than all tunings together still finish: each tuning is kept."""
    cut = session(tmp_path / "a", leave_after_tuned=1)
    assert (cut.ending, cut.steps_done) == (KernelEnding.STOPPED, 1)
    end = session(tmp_path / "a", number=2)
    assert (end.ending, end.steps_start, end.steps_done) == (KernelEnding.FINISHED, 1, 2 + 6)
    metrics = tmp_path / "a" / tiny_world.SECTION_DIR / "data/metrics"
    tuned = json.loads((metrics / "robustness.json").read_text(encoding="utf-8"))["tuned"]
    assert tuned["fixed_time"]["from_session"] == "run-1/s01" and "from_session" not in tuned["actuated"]


def test_a_policy_that_comes_later_is_evaluated_alone_and_a_cut_then_is_no_end(tmp_path: Path, policies: Path) -> None:
    session(tmp_path / "a")
    before = rows(tmp_path / "a")
    make_best_model(tmp_path / "models")
    collect([tmp_path / "models"], policies)
    cut = session(tmp_path / "a", number=2, leave_after=1)
    assert (cut.ending, cut.verdict) == (KernelEnding.STOPPED, None)
    outcome = session(tmp_path / "a", number=3)
    assert outcome.ending is KernelEnding.FINISHED
    assert outcome.verdict_reasons[0].startswith("1 trained policy in 3 conditions")
    assert n_evaluated(tmp_path / "a") == 2 + 3, "two conditions that were missing, and three measured again"
    assert [row for row in rows(tmp_path / "a") if not row["controller"].startswith("rl")] == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation_scenarios": 1}, r"profiles\.quick\.evaluation_scenarios must be at least 2"),
        ({"evaluation_scenarios": None}, "must be at least 2"),
        ({"profile": "huge"}, r"study\.families has nothing for the profile huge; it has quick, full"),
    ],
)
def test_a_spec_without_meaning_is_refused(
    tmp_path: Path, policies: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        session(tmp_path, **changes)


@pytest.mark.parametrize("name", ["webster", "fuzzy"])
def test_a_controller_that_cannot_be_compared_is_refused(tmp_path: Path, policies: Path, name: str) -> None:
    lineage = spec()["lineage"]
    lineage["study"]["controllers"]["quick"].append(name)
    with pytest.raises(ValueError, match=rf"study\.controllers names {name}; known are fixed_time, actuated"):
        session(tmp_path, lineage=lineage)


def test_results_that_are_not_reproduced_are_found() -> None:
    environment_s = environment(episode_s=600.0)
    setting: Any = SimpleNamespace(n_hours=3)
    actuated = ActuatedController(gap_s=2.0, max_green_s=60.0)
    candidate = study._Candidate(name="actuated", controller=actuated, environment=environment_s, depends_on={})
    right = study.evaluated(actuated, Condition(), environment_s, 3)
    found = study.Study(setting=setting, results={Condition(): {"actuated": right}})
    assert study._repeat_faults(found, candidate, Condition()) == []
    wrong = replace(right, delay_s_per_veh=right.delay_s_per_veh * (1.0 + 1e-15))
    found.results[Condition()]["actuated"] = wrong
    (fault,) = study._repeat_faults(found, candidate, Condition())
    assert fault.startswith("actuated under nominal is not reproducible")
