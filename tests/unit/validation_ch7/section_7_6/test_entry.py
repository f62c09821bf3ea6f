"""A whole session as the kernel runs it, from the boot to the manifest, and the files of the section."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from tiny_world import SECTION_DIR, bench, ticket, tiny_spec

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.reporting.learning_curve import SessionCurve, stitch
from orchestrator.kernel.files.digests import file_entry, read_tree, tree_digest
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.boot import Surroundings, run_session
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import FileEntry, models_path
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.stores.session.event_log import session_curve
from validation_ch7.section_7_6_rl_performance import entry, training
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.evaluation import baselines
from validation_ch7.section_7_6_rl_performance.schema import Crossing
from validation_ch7.traffic.env.settings import EnvironmentSettings


def whole_environment(**changes: float) -> dict[str, float]:
    """A card's block with all keys but the optional `learning`, as a session gets it."""
    known = EnvironmentSettings().describe()
    return {one.name: known[one.name] for one in fields(Crossing) if one.name != "learning"} | changes


def crossing_spec(**changes: Any) -> dict[str, Any]:
    """Episodes of five minutes and a very short training: every part runs, nothing is learned."""
    sizes = {"target_steps": 240, "checkpoint_every_steps": 120, "evaluate_every_steps": 120}
    spec = tiny_spec(**{**sizes, "resume_floor": "exact", **changes})
    spec["lineage"]["environment"] = whole_environment(episode_s=300.0)
    spec["lineage"]["hyper_parameters"].update(learning_starts=40, selection_scenarios=2)
    return spec


def run_here(working: Path, spec: dict[str, Any], *, stopped: bool = False) -> SectionOutcome:
    test_bench = bench(working, spec)
    if stopped:
        test_bench.stop.request()
    try:
        return entry.run(test_bench.context)
    finally:
        test_bench.context.reporter.close()


def through_the_boot(root: Path, spec: dict[str, Any], *, session: int = 1, mounted: Path | None = None) -> Manifest:
    """Boot a session in a workspace like the platform's; `mounted` is the output of an earlier session."""
    workspace = Workspace(input=root / "input", working=root / "working", scratch=root / "scratch")
    bundle = root / "bundle"
    for folder in (workspace.input, workspace.working, bundle):
        folder.mkdir(parents=True)
    (bundle / "code.py").write_text("the_code = 'that was pushed'\n")
    inputs: tuple[FileEntry, ...] = ()
    if mounted is not None:
        models_dir = models_path(mounted, SECTION_DIR)
        paths = [path for path in sorted(models_dir.rglob("*")) if path.is_file()]
        inputs = tuple(file_entry(path, models_dir) for path in paths)
        for path in paths:
            (workspace.input / path.name).write_bytes(path.read_bytes())
    ticks = itertools.count()
    surroundings = Surroundings(
        workspace=workspace,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        monotonic=lambda: next(ticks) / 1000,
        echo=lambda line: None,
    )
    digest = tree_digest(read_tree(bundle))
    pushed = replace(ticket(spec, session=session, inputs=inputs), bundle_digest=digest)
    code = run_session(pushed, bundle, surroundings=surroundings, stop=StopFlag())
    manifest = read_manifest(workspace.working)
    assert manifest is not None and manifest.error is None, manifest and manifest.error
    assert code == manifest.exit_code == 0
    return manifest


def test_two_booted_sessions_reach_the_same_verdict_as_one(tmp_path: Path) -> None:
    paused = through_the_boot(tmp_path / "first", crossing_spec(deadline_s=0.17))
    assert paused.outcome.ending is KernelEnding.PAUSED and paused.outcome.verdict is None
    assert paused.outcome.steps_done is not None and 0 < paused.outcome.steps_done < 240
    paths = {described.path for described in paused.files}
    assert f"{SECTION_DIR}/data/metrics/learning_curve.json" in paths

    finished = through_the_boot(tmp_path / "second", crossing_spec(), session=2, mounted=tmp_path / "first" / "working")
    straight = through_the_boot(tmp_path / "straight", crossing_spec())
    ours, theirs = finished.outcome, straight.outcome
    assert ours.resume_grade == "exact" and theirs.resume_grade is None
    assert (ours.steps_start, ours.steps_done) == (paused.outcome.steps_done, 240)
    assert ours.training["policy_digest_after"] == theirs.training["policy_digest_after"]
    assert ours.verdict is not None and (ours.verdict, ours.verdict_reasons) == (theirs.verdict, theirs.verdict_reasons)
    assert ours.summary["delay_s_per_veh"] == theirs.summary["delay_s_per_veh"]
    assert ours.runtime["device"] == "cpu" and ours.runtime["torch"]

    curves = [curve_of(tmp_path / name / "working", place) for place, name in enumerate(("first", "second"), 1)]
    curve = json.loads(
        (tmp_path / "second/working" / SECTION_DIR / "data/metrics/learning_curve.json").read_text("utf-8")
    )
    stitched = stitch(curves)
    assert [(point.steps, point.score) for point in stitched.points] == [
        (point["steps"], point["score"]) for point in curve["curve"]
    ]
    assert list(stitched.seams) == curve["sessions_seams"] and stitched.wasted_steps == 0


def curve_of(working: Path, session: int) -> SessionCurve:
    """The curve that the orchestrator reads from a session's outputs."""
    manifest = read_manifest(working)
    assert manifest is not None
    curve = session_curve(
        SessionRecord(
            key=f"r/s{session:02d}a1",
            run_id="r",
            lineage_id=manifest.stamp["lineage_id"],
            session=session,
            attempt=1,
            slug=f"s{session:02d}",
            backend="local",
            nonce=manifest.stamp["nonce"],
            ticket={},
            stage=Stage.CLOSED,
            planned_at="",
            results_dir=str(working),
            steps_start=manifest.outcome.steps_start,
        )
    )
    assert curve is not None
    return curve


def test_a_finished_session_writes_all_files_with_their_stamp(tmp_path: Path) -> None:
    outcome = run_here(tmp_path, crossing_spec())
    section = tmp_path / SECTION_DIR
    report = json.loads((section / "data/metrics/rl_performance_comparison.json").read_text("utf-8"))
    assert outcome.verdict is not None and report["verdict"] == outcome.verdict.value
    assert set(report["controllers"]) == {"rl", *CLASSICAL, "constant_ns", "constant_ew", "random"}
    assert report["evaluated_model"] == outcome.summary["evaluated_model"]
    table = (section / "data/metrics/rl_performance_comparison.csv").read_text("utf-8").splitlines()
    assert len(table) == 1 + len(CLASSICAL) + 4 and all("nonce-1" in row for row in table[1:])
    for name in ("run_id", "session", "nonce", "spec_digest", "bundle_digest", "checkpoint_digest"):
        assert report["stamp"][name] and name in table[0]
    drawn = {path.name for path in (section / "figures").iterdir()}
    pictures = ("rl_performance", "learning_curve", "delay_distributions", "space_time", "phase_diagram")
    assert drawn == {"crossing.gif", *(f"fig_{name}.png" for name in pictures)}
    for name in pictures:
        with Image.open(section / f"figures/fig_{name}.png") as picture:
            assert picture.format == "PNG" and picture.width > 1000
    with Image.open(section / "figures/crossing.gif") as animation:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    assert len(frames) > 10 and any((frame != frames[0]).any() for frame in frames)
    left, right = (frames[-1][:, side] for side in (slice(None, 440), slice(440, None)))
    assert left.shape == right.shape and (left != right).any()  # each half shows another controller
    latex = (section / "data/metrics/rl_performance_comparison.tex").read_text("utf-8")
    assert "nonce=nonce-1" in latex and latex.count("\\\\\n") >= 6
    assert b"nonce-1" in (section / "figures/crossing.gif").read_bytes()
    assert outcome.summary["spent_s"]["pictures"] > 0.0
    assert not (section / "data/metrics/evaluations_so_far.json").exists()


def test_a_session_asked_to_stop_has_no_verdict(tmp_path: Path) -> None:
    outcome = run_here(tmp_path, crossing_spec(), stopped=True)
    assert (outcome.ending, outcome.verdict, outcome.steps_done) == (KernelEnding.STOPPED, None, 0)


def test_the_entry_point_loads_no_training_library(project_root: Path) -> None:
    code = (
        f"import sys, {entry.__name__}; print(sorted({{'torch', 'stable_baselines3', 'gymnasium'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_stop_between_training_and_comparison_leaves_the_comparison_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = training.train

    def train_and_request_stop(context: Any, plan: Any, world: Any) -> Any:
        result = train(context, plan, world)
        context.stop.request()
        return result

    monkeypatch.setattr(training, "train", train_and_request_stop)
    stopped = run_here(tmp_path, crossing_spec())
    assert (stopped.ending, stopped.verdict, stopped.steps_done) == (KernelEnding.STOPPED, None, 240)
    monkeypatch.undo()
    finished = run_here(tmp_path, crossing_spec())
    assert finished.ending is KernelEnding.FINISHED and finished.verdict is not None
    assert finished.training["gradient_updates_this_session"] == 0 and finished.resume_grade == "exact"


def test_a_policy_that_was_never_updated_is_invalid(tmp_path: Path) -> None:
    spec = crossing_spec()
    spec["lineage"]["hyper_parameters"]["learning_starts"] = 10_000
    outcome = run_here(tmp_path, spec)
    assert outcome.verdict is Verdict.INVALID
    assert any("0 gradient updates" in reason for reason in outcome.verdict_reasons)


def test_nan_results_make_the_verdict_invalid_and_the_session_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = baselines.evaluate

    def broken(*args: Any, **kwargs: Any) -> Any:
        result = evaluate(*args, **kwargs)
        return replace(result, delay_s_per_veh=result.delay_s_per_veh * np.nan)

    monkeypatch.setattr(baselines, "evaluate", broken)
    outcome = run_here(tmp_path, crossing_spec())
    assert outcome.ending is KernelEnding.FINISHED and outcome.verdict is Verdict.INVALID
    assert outcome.summary["delay_s_per_veh"]["rl"] is None


def test_an_unknown_criterion_is_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="criteria"):
        run_here(tmp_path, crossing_spec(criteria={"baseline": "fixed_time", "min_delay": 10.0}))
    assert not models_path(tmp_path, SECTION_DIR).exists()


def test_the_baselines_are_measured_beside_the_training_and_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    @contextmanager
    def beside(context: SessionContext, plan: TrainingSpec) -> Iterator[Callable[[], None]]:
        happened.append(f"begins before {plan.target_steps} steps: {not context.models_dir.exists()}")
        yield lambda: happened.append("awaited")
        happened.append("ends")

    monkeypatch.setattr(entry, "baselines_ahead", beside)
    assert run_here(tmp_path, crossing_spec()).ending is KernelEnding.FINISHED
    steps = crossing_spec()["target_steps"]
    assert happened == [f"begins before {steps} steps: True", "awaited", "ends"]
