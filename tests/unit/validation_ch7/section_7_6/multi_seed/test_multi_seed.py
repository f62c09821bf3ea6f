"""The multi-seed command on real finished sessions, intact and changed afterwards."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_world import SECTION_DIR

from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.reporting.trial_report import (
    CampaignReport,
    CurvePoint,
    StitchedCurve,
    TrialReport,
    report_json,
)
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME
from orchestrator.stores.reporting.section_report import statement_in
from tests.unit.validation_ch7.section_7_6.test_entry import crossing_spec, through_the_boot
from validation_ch7.section_7_6_rl_performance.multi_seed.__main__ import main
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import PoolBootstrap
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import pool_experiment
from validation_ch7.section_7_6_rl_performance.multi_seed.grouping import experiments_of
from validation_ch7.section_7_6_rl_performance.multi_seed.latex import tail_latex
from validation_ch7.section_7_6_rl_performance.multi_seed.load import PoolRefused, finished_trainings
from validation_ch7.section_7_6_rl_performance.multi_seed.provenance import account_markdown
from validation_ch7.section_7_6_rl_performance.multi_seed.report import pool_json, pool_markdown, statement_json


def spec_of_seed(seed: int) -> dict[str, Any]:
    spec = crossing_spec(target_steps=1200, checkpoint_every_steps=1200, evaluate_every_steps=1200)
    spec["lineage"].update(seed=seed)
    spec["lineage"]["environment"]["episode_s"] = 600.0
    return {**spec, "evaluation_scenarios": 12}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    for seed in (0, 1):
        root = tmp_path_factory.mktemp("session")
        through_the_boot(root, spec_of_seed(seed))
        (root / "working").rename(results / f"local_seed-{seed}")
    (results / "unfinished").mkdir()
    return results


@pytest.fixture
def results(sessions: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sessions, tmp_path / "results")


def test_finished_sessions_are_pooled(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "pooled"
    assert main(["--results", str(results), "--profile", "quick", "--output", str(output)]) == 0
    expected_text = capsys.readouterr().out
    assert (
        "| **DQN** | 2 |" in expected_text
        and "inconclusive" in expected_text
        and "2 trainings are too few" in expected_text
    )
    assert (output / "pool.md").read_text("utf-8") == expected_text
    plain = json.loads((output / "pool.json").read_text("utf-8"))
    assert plain["variants"]["DQN"]["seeds"] == [0, 1] and plain["n_scenarios"] == 12
    for training in finished_trainings(results, profile="quick"):
        written = results / f"local_seed-{training.seed}" / SECTION_DIR / "data/metrics/rl_performance_comparison.json"
        mean_s = json.loads(written.read_text("utf-8"))["controllers"]["rl"]["delay_s_per_veh"]
        assert training.delays_s["rl"].mean() == pytest.approx(mean_s)


def test_sessions_of_other_profiles_are_ignored(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results)]) == 2
    assert "no finished training" in capsys.readouterr().err
    assert main(["--results", str(results / "nowhere")]) == 2


def with_changed_number(folder: Path) -> None:
    """Write a better number into the table afterwards."""
    path = folder / SECTION_DIR / "data/metrics/rl_performance_scenarios.csv"
    first, better, *rest = path.read_text("utf-8").splitlines(keepends=True)
    cells = better.split(",")
    cells[4] = "9.9"
    path.write_text(first + ",".join(cells) + "".join(rest), "utf-8")


def with_invalid_verdict(folder: Path) -> None:
    path = folder / "session_manifest.json"
    plain = json.loads(path.read_text("utf-8"))
    judged = {**plain, "verdict": "invalid", "verdict_reasons": ["a mean speed of 866 m/s"]}
    path.write_text(json.dumps(judged), "utf-8")


@pytest.mark.parametrize(
    ("change", "expected_text"),
    [(with_changed_number, "local_seed-1 is damaged"), (with_invalid_verdict, "invalid: a mean speed of 866 m/s")],
)
def test_damaged_and_invalid_sessions_are_refused(
    change: Callable[[Path], None], expected_text: str, results: Path
) -> None:
    change(results / "local_seed-1")
    with pytest.raises(PoolRefused, match=expected_text):
        finished_trainings(results, profile="quick")


def campaign_report_of(results: Path) -> CampaignReport:
    """The campaign report that the orchestrator would write for these sessions."""
    trials = []
    for folder in sorted(results.glob("local_*")):
        manifest = read_manifest(folder)
        assert manifest is not None
        events = [json.loads(line) for line in (folder / EVENTS_NAME).read_text("utf-8").splitlines()]
        points = tuple(
            CurvePoint(steps=event["steps"], score=event["score"], measures=event["measures"], session=folder.name)
            for event in events
            if event["kind"] == "evaluated"
        )
        assert points
        trials.append(
            TrialReport(
                group="main",
                variant="main DQN",
                seed=manifest.spec["lineage"]["seed"],
                lineage_id=manifest.stamp["lineage_id"],
                run_id=manifest.stamp["run_id"],
                session=folder.name,
                sessions=(folder.name,),
                resume_grade="exact",
                command=f"run section_7_6 --quick --seed {manifest.spec['lineage']['seed']}",
                code_digest=manifest.stamp["bundle_digest"],
                policy_digest="d" * 64,
                results_dir=str(folder),
                manifest_sha256=sha256_file(folder / MANIFEST_NAME),
                wall_s=60.0,
                untold=0,
                curve=StitchedCurve(
                    points=points, seams=(600,), wasted_steps=120, measured_twice=1, measured_otherwise=0
                ),
            )
        )
    return CampaignReport(
        campaign="small",
        title="Small",
        section="section_7_6",
        command="campaign report small",
        trials=tuple(trials),
        unfinished={"main DQN seed 2": "live", "main DQN seed 3": "waiting", "main DQN seed 4": "waiting"},
    )


def write_report(report: CampaignReport, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    (folder / "trials.json").write_text(json.dumps(report_json(report)), "utf-8")
    return main(["--campaign", str(folder / "trials.json"), "--output", str(folder)])


def test_a_campaign_report_has_curves_tables_and_origins(results: Path, tmp_path: Path) -> None:
    report, folder = campaign_report_of(results), tmp_path / "report"
    assert write_report(report, folder) == 0
    written = {path.name for path in folder.iterdir()}
    pictures = {f"{name}.{suffix}" for name in ("delays", "learning_curves") for suffix in ("png", "pdf")}
    assert written == {
        "trials.json", "pool.md", "pool.json", "delays.tex", "pairs.tex", "tail.tex", "learning_curves.csv",
        "statement.json", *pictures,
    }  # fmt: skip
    statement = statement_in(folder)  # what the page of the campaign shows first
    assert statement is not None and statement.verdict == "inconclusive"
    (sentence,) = statement.lines
    assert sentence.startswith("main DQN, 2 trainings: inconclusive.") and "% less than fixed_time; " in sentence
    assert " delay than the tuned actuated controller; required:" in sentence
    expected_text = (folder / "pool.md").read_text("utf-8")
    assert "2 of 5 trials of `small` are finished" in expected_text and "main DQN: 1 live, 2 waiting." in expected_text
    assert "| main DQN | 2 | 2 | 2 | 240 | 2, 0 | exact | 0.03 |" in expected_text
    for trial in report.trials:
        assert f"`{trial.session}` | `{trial.manifest_sha256[:12]}`" in expected_text
    assert expected_text.count("python -m orchestrator run section_7_6 --quick --seed N") == 1
    rows = list(csv.DictReader((folder / "learning_curves.csv").read_text("utf-8").splitlines()))
    assert [float(row["delay_s_per_veh"]) for row in rows] == [
        point.measures["delay_s_per_veh"] for trial in report.trials for point in trial.curve.points
    ]
    latex = (folder / "delays.tex").read_text("utf-8")
    assert latex.count(report.trials[0].manifest_sha256) == 1 and r"\toprule" in latex and "main DQN & 2 &" in latex
    assert (folder / "delays.pdf").read_bytes().startswith(b"%PDF") and b"CreationDate" not in (
        folder / "delays.pdf"
    ).read_bytes()


def test_a_missed_criterion_of_the_tail_is_in_every_file_of_a_report(sessions: Path) -> None:
    """With ten trainings; the files are written as for a campaign."""
    first, _ = finished_trainings(sessions, profile="quick")
    of_baseline = first.delays_s["fixed_time"]
    delays = dict(first.delays_s) | {"rl": 0.5 * of_baseline * np.linspace(0.98, 1.02, of_baseline.size)}
    bad = delays | {"rl": np.where(np.arange(of_baseline.size) == 7, 2.0, 0.5) * of_baseline}
    criteria = {**first.terms["criteria"], "max_delay_ratio": 1.5, "min_better_pct": 50.0}
    trainings = [
        replace(first, seed=seed, delays_s=bad if seed == 3 else delays, terms={**first.terms, "criteria": criteria})
        for seed in range(10)
    ]
    (experiment,) = experiments_of(trainings)
    pool = pool_experiment(experiment, PoolBootstrap(seed=0, n_resamples=200))
    (claim,) = pool.claims
    assert claim.verdict is Verdict.NOT_SUPPORTED
    assert claim.reason.endswith("reaches it. The claim is not supported for its tail: max_delay_ratio is missed")
    sentence = "max_delay_ratio is missed: the largest ratio is 2.00, in scenario 7 of seed 3, where DQN delays by "
    markdown, plain, said = pool_markdown(pool), pool_json(pool), statement_json([pool])
    assert f"  * {sentence}" in markdown and "| **DQN** | 2.00 | " in markdown
    assert said["verdict"] == "not_supported" and said["lines"][1].startswith(sentence)
    missed, met = plain["variants"]["DQN"]["findings"]
    assert missed["missed_by"] == pytest.approx(0.5) and (met["verdict"], met["missed_by"]) == ("supported", 0.0)
    assert json.loads(json.dumps(plain))["variants"]["DQN"]["tail"]["largest_at"] == [3, 7]
    latex = tail_latex(pool, ["origin"])
    assert r"max\_delay\_ratio is missed: the largest ratio is 2.00" in latex and latex.count("{") == latex.count("}")


def test_a_differing_repeated_evaluation_is_reported_despite_an_exact_grade(results: Path, tmp_path: Path) -> None:
    report = campaign_report_of(results)
    first, second = report.trials
    assert "a repeated evaluation differs" not in account_markdown(report)
    drifted = replace(second, curve=replace(second.curve, measured_otherwise=1))
    expected_text = account_markdown(replace(report, trials=(first, drifted)))
    assert "**main DQN seed 1 was graded exact, but a repeated evaluation differs" in expected_text


def test_results_that_contradict_the_campaign_report_are_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = campaign_report_of(results)
    first, second = report.trials
    for changed, expected_text in (
        (replace(second, manifest_sha256="0" * 64), "changed after the report"),
        (replace(second, lineage_id="0" * 64), "has another lineage_id than the report"),
        (replace(second, results_dir=str(tmp_path)), "holds no manifest"),
    ):
        assert write_report(replace(report, trials=(first, changed)), tmp_path / "report") == 2
        err = capsys.readouterr().err
        assert "main DQN seed 1: " in err and expected_text in err
    (tmp_path / "list.json").write_text('{"format": 2}', "utf-8")
    for path in (tmp_path / "list.json", tmp_path / "nowhere.json"):
        assert main(["--campaign", str(path)]) == 2
        assert "not the trial report of a campaign" in capsys.readouterr().err
