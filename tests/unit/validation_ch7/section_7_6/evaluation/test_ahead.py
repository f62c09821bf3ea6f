"""The baselines are measured in a second process while a policy trains, and the comparison finds them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from tiny_world import TestBench, bench, tiny_spec

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.wire import digest_of
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.evaluation import ahead
from validation_ch7.section_7_6_rl_performance.evaluation.ahead import baselines_ahead
from validation_ch7.section_7_6_rl_performance.evaluation.baselines import (
    Trials,
    baseline_controllers,
    measure,
    tune_families,
)
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import arrays_of, result_shapes
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults

LONG = {"target_steps": 20_000, "evaluation_scenarios": 3}


def made(working: Path, **changes: Any) -> TestBench:
    spec = tiny_spec(**{**LONG, **changes})
    spec["lineage"]["environment"] = {"episode_s": 300.0}
    spec["lineage"]["hyper_parameters"].update(selection_scenarios=2)
    return bench(working, spec)


@pytest.fixture
def made_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestBench]:
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    one = made(tmp_path)
    yield one
    one.context.reporter.close()


def sharing(made_bench: TestBench, tmp_path: Path) -> SessionContext:
    return replace(made_bench.context, shared_dir=tmp_path / "shared")


def test_the_comparison_finds_what_it_would_have_measured(made_bench: TestBench, tmp_path: Path) -> None:
    context = sharing(made_bench, tmp_path)
    with baselines_ahead(context, made_bench.plan) as wait:
        wait()
    trials, here = Trials.of(made_bench.plan), KeptResults({}, "run-1/s01", tmp_path / "shared")
    n_shared = len(list((tmp_path / "shared").glob("*.json")))
    tuned = {one.family.name: one for one in tune_families(trials, here)}
    assert {one.from_session for one in tuned.values()} == {None}, "they are of this session"
    controllers = dict(baseline_controllers(trials, tuned))
    assert n_shared == len(tuned) + len(controllers) == len(list((tmp_path / "shared").glob("*.json")))
    for name, controller in controllers.items():
        found = here.find(trials.describe(name, tuned), result_shapes(trials.n_test))
        assert found is not None and found[1] == "run-1/s01"
        own = arrays_of(measure(trials, name, controller))
        assert [one.tobytes() for one in found[0]] == [one.tobytes() for one in own], name
    assert not any("failed" in line for line in made_bench.output)


@pytest.mark.parametrize("lacks", ["folder", "core", "length"])
def test_no_process_begins_where_it_would_not_help(
    lacks: str, made_bench: TestBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    begin = subprocess.Popen

    def noted(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        begun.append(args)
        return begin(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", noted)
    if lacks == "core":
        monkeypatch.setattr(ahead, "usable_cores", lambda: 1)
    context = made_bench.context if lacks == "folder" else sharing(made_bench, tmp_path)
    plan = replace(made_bench.plan, target_steps=19_999) if lacks == "length" else made_bench.plan
    with baselines_ahead(context, plan) as wait:
        wait()


def test_a_failure_is_said_and_leaves_the_work_to_the_comparison(
    made_bench: TestBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_CODE", "raise SystemExit(7)")
    with baselines_ahead(sharing(made_bench, tmp_path), made_bench.plan) as wait:
        wait()
    said = "The process that measures the baselines failed with exit code 7: measuring here"
    assert sum(said in line for line in made_bench.output) == 1


def test_a_process_that_cannot_begin_is_no_failure_of_the_training(
    made_bench: TestBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-interpreter"))
    with baselines_ahead(sharing(made_bench, tmp_path), made_bench.plan) as wait:
        wait()
    assert any("The process that measures the baselines cannot begin" in line for line in made_bench.output)


def test_the_wait_ends_when_the_session_must_stop_and_the_process_with_the_block(
    made_bench: TestBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def noted(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        begun.append(begin(*args, **kwargs))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setattr(ahead, "_CODE", "import time; time.sleep(300)")
    with baselines_ahead(sharing(made_bench, tmp_path), made_bench.plan) as wait:
        made_bench.stop.request()
        wait()
        assert begun[0].poll() is None
    assert begun[0].returncode not in (None, 0)
    assert not any("failed" in line for line in made_bench.output)


def test_the_process_ends_with_its_session(tmp_path: Path, project_root: Path) -> None:
    """A killed session closes the pipe; the work of minutes that is planned here ends at once."""
    trials = asdict(Trials(environment={}, n_tuning=100, n_test=400))
    given = {"path": [str(project_root), *sys.path], "shared": str(tmp_path), "session": "s", **trials}
    command = [sys.executable, "-I", "-X", "utf8", "-c", ahead._CODE]
    done = subprocess.run(command, input=json.dumps(given).encode() + b"\n", timeout=120, check=False)
    assert done.returncode == 0
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.skipif(sys.platform == "win32", reason="there, two processes may measure the same")
def test_a_process_waits_while_another_measures_the_same(tmp_path: Path, project_root: Path) -> None:
    import fcntl

    tried_on = asdict(Trials(environment={"episode_s": 60.0}, n_tuning=1, n_test=1))
    given = {"path": [str(project_root), *sys.path], "shared": str(tmp_path), "session": "s", **tried_on}
    lock = tmp_path / f"ahead-{digest_of(tried_on)[:16]}.lock"
    with lock.open("ab") as held, begun() as process:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert process.stdin is not None
        process.stdin.write(json.dumps(given).encode() + b"\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=8)
        assert not list(tmp_path.glob("*.json"))
        fcntl.flock(held, fcntl.LOCK_UN)
        assert process.wait(timeout=120) == 0
    assert len(list(tmp_path.glob("*.json"))) == len(CLASSICAL) + len(CLASSICAL) + 3


def begun() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-X", "utf8", "-c", ahead._CODE], stdin=subprocess.PIPE)


@pytest.mark.parametrize("program", ["import os; os.close(0); raise SystemExit(3)", "raise SystemExit(3)"])
def test_a_process_that_ends_before_it_reads_does_not_end_the_session(
    program: str, made_bench: TestBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = subprocess.Popen

    def begin_and_wait(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        process = begin(*args, **kwargs)
        process.wait(timeout=60)
        return process

    monkeypatch.setattr(ahead, "_CODE", program)
    monkeypatch.setattr(subprocess, "Popen", begin_and_wait)
    with baselines_ahead(sharing(made_bench, tmp_path), made_bench.plan) as wait:
        wait()
    assert any("failed with exit code 3: measuring here" in line for line in made_bench.output)
