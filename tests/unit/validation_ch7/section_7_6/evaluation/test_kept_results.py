"""Baselines are measured once: a later session uses them again, unless anything that they depend on has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_world import TestBench, bench, tiny_spec

from orchestrator.kernel.wire import METADATA_NAME, digest_of
from orchestrator.sb3.loop import TrainingResult, train
from validation_ch7.section_7_6_rl_performance import write_results
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.evaluation import baselines, kept_results, tuning
from validation_ch7.section_7_6_rl_performance.evaluation import comparison as comparison_module
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import Comparison, compare_controllers
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import measure_names, result_shapes
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import BASELINES, KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.section_7_6_rl_performance.write_results import conclude

CONTROLLERS = ["rl", *CLASSICAL, "constant_ns", "constant_ew", "random"]
BASELINE_NAMES = [name for name in CONTROLLERS if name != "rl"]
FIRST = "run-1/s01"
WHAT = {"controller": "x", "n_scenarios": 3}
SHAPES = [("<f8", (3,)), ("<i8", (3, 2))]
ARRAYS = [np.array([1.5, -2.25, 1e-300]), np.arange(6).reshape(3, 2)]


def crossing_spec() -> dict[str, Any]:
    spec = tiny_spec(target_steps=240, evaluate_every_steps=120)
    spec["lineage"]["environment"] = {"episode_s": 300.0}
    spec["lineage"]["hyper_parameters"].update(learning_starts=40, selection_scenarios=2)
    return spec


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, TrainingResult, Comparison]]:
    """A session that has trained and compared."""
    working = tmp_path_factory.mktemp("first")
    test_bench = bench(working, crossing_spec())
    result = train(test_bench.context, test_bench.plan, traffic_world())
    yield working, result, compare_controllers(test_bench.context, result.training)
    test_bench.context.reporter.close()


@pytest.fixture
def second(
    first: tuple[Path, TrainingResult, Comparison], tmp_path: Path
) -> Iterator[Callable[..., tuple[TestBench, Any]]]:
    """Continues the training in another folder, with the files that travel; returns its bench and its training."""
    started: list[TestBench] = []

    def start(edit: Callable[[dict[str, Any]], None] = lambda kept: None, **changes: Any) -> tuple[TestBench, Any]:
        shutil.copytree(first[0], tmp_path / "working")
        test_bench = bench(tmp_path / "working", {**crossing_spec(), **changes}, session=2)
        started.append(test_bench)
        metadata = test_bench.context.models_dir / METADATA_NAME
        plain = json.loads(metadata.read_text("utf-8"))
        edit(plain["kept"])
        metadata.write_text(json.dumps(plain), "utf-8")
        return test_bench, train(test_bench.context, test_bench.plan, traffic_world())

    yield start
    for one in started:
        one.context.reporter.close()


def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the controllers that are measured from here on; candidates of a tuning count as `tune`."""
    names: list[str] = []
    for module, function, name in (
        (baselines, "evaluate", None),
        (tuning, "delays_side_by_side", "tune"),
    ):
        measure = getattr(module, function)

        def noted(controller: Any, *args: Any, _measure: Any = measure, _name: Any = name, **kwargs: Any) -> Any:
            names.append(_name or controller.name)
            return _measure(controller, *args, **kwargs)

        monkeypatch.setattr(module, function, noted)
    return names


def same_results(one: Comparison, other: Comparison) -> bool:
    return list(one.results) == list(other.results) and all(
        getattr(one.results[name], measure).tobytes() == getattr(other.results[name], measure).tobytes()
        and one.results[name].crossing == other.results[name].crossing
        for name in BASELINE_NAMES
        for measure in measure_names()
    )


def test_second_session_measures_the_policy_alone(
    first: tuple[Path, TrainingResult, Comparison], second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first[2].from_session == {}
    test_bench, result = second()
    names = measured(monkeypatch)
    found = compare_controllers(test_bench.context, result.training)
    assert names == ["rl"]
    assert found.from_session == dict.fromkeys(BASELINE_NAMES, FIRST)
    assert {one.from_session for one in found.tuned.values()} == {FIRST}
    assert same_results(found, first[2]) and found.repeat_faults == []
    assert any("10 baselines are from session run-1/s01" in line for line in test_bench.output)


def _without_mark(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_mark(one) for name, one in value.items() if name != "from_session"}
    return value


def test_verdict_with_kept_results_is_the_same_but_for_the_mark(
    second: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_results, "draw", lambda *album, **options: None)  # the pictures take seconds
    written: list[dict[str, Any]] = []
    for edit in (lambda kept: None, lambda kept: kept.clear()):
        test_bench, result = second(edit)
        comparison = compare_controllers(test_bench.context, result.training)
        conclude(test_bench.context, result, comparison)
        path = test_bench.context.metrics_dir / "rl_performance_comparison.json"
        written.append(json.loads(path.read_text("utf-8")))
        latex = path.with_suffix(".tex").read_text("utf-8")
        assert latex.count("from session run-1/s01") == len(comparison.from_session)
        shutil.rmtree(tmp_path / "working")
    kept, fresh = written
    assert [row["from_session"] for row in fresh["controllers"].values()] == [None] * 11
    assert [row["from_session"] for row in kept["controllers"].values()] == [None, *[FIRST] * 10]
    assert _without_mark(kept) == _without_mark(fresh)


def change_data(kept: dict[str, Any]) -> None:
    for entry in kept[BASELINES].values():
        entry["data"] = entry["data"][:-2] + ("00" if entry["data"][-2:] != "00" else "01")


def cut(kept: dict[str, Any]) -> None:
    for entry in kept[BASELINES].values():
        entry["data"] = entry["data"][:10]


def rename(kept: dict[str, Any]) -> None:
    for entry in kept[BASELINES].values():
        entry["from"] = "run-9 session 9"


def exchange(kept: dict[str, Any]) -> None:
    entries = kept[BASELINES]
    first, *others = entries.values()
    kept[BASELINES] = dict(zip(entries, [*others, first], strict=True))


ODD = (None, [], "x", 5, {"a": 1}, {"a": {"data": 1, "from": [], "sum": None}})


@pytest.mark.parametrize("edit", [change_data, cut, rename, exchange])
def test_damaged_entry_is_measured_again(edit: Any, second: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    test_bench, result = second(edit)
    names = measured(monkeypatch)
    found = compare_controllers(test_bench.context, result.training)
    assert sorted(set(names)) == sorted({"tune", *CONTROLLERS}) and found.from_session == {}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_table_of_results_is_left_alone(odd: Any) -> None:
    kept: dict[str, Any] = {BASELINES: odd}
    assert KeptResults(kept, "s").find(WHAT, SHAPES) is None


def test_edited_number_with_a_fitting_checksum_is_found_by_the_second_measurement(
    second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check draws its scenarios from the session's nonce; here all of them were edited."""

    def forge(kept: dict[str, Any]) -> None:
        for key, entry in kept[BASELINES].items():
            shapes = result_shapes(4)
            arrays = kept_results._unpacked(entry["data"], shapes)
            if arrays is not None:  # not a tuning
                data = kept_results._packed([arrays[0], arrays[1] * 2.0, *arrays[2:]])
                entry |= {"data": data, "sum": kept_results._checksum(key, data, entry["from"])}

    test_bench, result = second(forge)
    names = measured(monkeypatch)
    found = compare_controllers(test_bench.context, result.training)
    assert sorted(names) == sorted(CONTROLLERS) and found.from_session == {} and found.repeat_faults == []
    for name in BASELINE_NAMES:
        said = f"The kept result of {name} from session {FIRST} is not used. {name} is not reproducible: "
        assert sum(said in line for line in test_bench.output) == 1


@pytest.mark.parametrize("change", ["_code_digest", "_runtime"])
def test_other_code_or_libraries_make_every_entry_void(
    change: str, second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_bench, result = second()
    monkeypatch.setattr(kept_results, change, lambda: "other")
    assert compare_controllers(test_bench.context, result.training).from_session == {}


def test_other_scenarios_make_the_evaluations_void_and_keep_the_tuning(second: Any) -> None:
    test_bench, result = second(evaluation_scenarios=5)
    found = compare_controllers(test_bench.context, result.training)
    assert found.from_session == {} and {one.from_session for one in found.tuned.values()} == {FIRST}


def test_results_of_a_session_that_had_to_stop_are_kept(second: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    test_bench, result = second(lambda kept: kept.clear())
    add, done = comparison_module._add, []

    def add_and_stop(comparison: Comparison, name: str, *args: Any, **kwargs: Any) -> None:
        add(comparison, name, *args, **kwargs)
        done.append(name)
        if name == CLASSICAL[1]:
            test_bench.stop.request()

    monkeypatch.setattr(comparison_module, "_add", add_and_stop)
    with pytest.raises(comparison_module.LeftComparison):
        compare_controllers(test_bench.context, result.training)
    plain = json.loads((test_bench.context.models_dir / METADATA_NAME).read_text("utf-8"))
    assert len(plain["kept"][BASELINES]) == len(CLASSICAL) + 2


def test_arrays_come_back_bit_for_bit() -> None:
    kept: dict[str, Any] = {}
    store = KeptResults(kept, "run session 3")
    store.keep(WHAT, ARRAYS)
    store.keep_for_later(complete=True)
    found = KeptResults(json.loads(json.dumps(kept)), "later").find(WHAT, SHAPES)
    assert found is not None and found[1] == "run session 3"
    assert all(one.tobytes() == other.tobytes() for one, other in zip(found[0], ARRAYS, strict=True))
    assert KeptResults(kept, "later").find({**WHAT, "n_scenarios": 4}, SHAPES) is None
    assert KeptResults(kept, "later").find(WHAT, SHAPES[:1]) is None


def test_result_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    store = KeptResults({}, "s", tmp_path / "shared")
    store.keep(WHAT, [np.array([1.0, np.nan, 2.0]), ARRAYS[1]])
    assert not store.changed and not (tmp_path / "shared").exists()


def test_another_training_measures_the_policy_alone(
    first: tuple[Path, TrainingResult, Comparison], second: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept by the training itself; the second comparison finds what the first one has shared."""
    test_bench, result = second(lambda kept: kept.clear())
    sharing = replace(test_bench.context, shared_dir=tmp_path / "shared")
    assert compare_controllers(sharing, result.training).from_session == {}
    result.training.kept.clear()
    names = measured(monkeypatch)
    other = replace(sharing, ticket=replace(sharing.ticket, run_id="run-2"))
    found = compare_controllers(other, result.training)
    assert names == ["rl"] and set(found.from_session) == set(BASELINE_NAMES)
    assert same_results(found, first[2]) and found.repeat_faults == []
    plain = json.loads((sharing.models_dir / METADATA_NAME).read_text("utf-8"))
    assert len(plain["kept"][BASELINES]) == len(BASELINE_NAMES) + len(CLASSICAL)  # they travel with this training too


@pytest.mark.parametrize("change", ["_code_digest", "_runtime"])
def test_shared_results_of_other_code_or_libraries_are_not_found(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeptResults({}, "one", tmp_path).keep(WHAT, ARRAYS)
    found = KeptResults({}, "other", tmp_path).find(WHAT, SHAPES)
    assert found is not None and found[1] == "one"
    assert KeptResults({}, "other").find(WHAT, SHAPES) is None
    assert KeptResults({}, "other", tmp_path).find({**WHAT, "n_scenarios": 4}, SHAPES) is None
    monkeypatch.setattr(kept_results, change, lambda: "other")
    assert KeptResults({}, "other", tmp_path).find(WHAT, SHAPES) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"data": "00", "from": "one", "sum": "0"}', None])
def test_damaged_shared_result_is_not_found_and_is_replaced(content: bytes | None, tmp_path: Path) -> None:
    KeptResults({}, "one", tmp_path).keep(WHAT, ARRAYS)
    (path,) = tmp_path.iterdir()
    if content is None:  # the file of another result under this name
        other = KeptResults({}, "one", tmp_path / "other")
        other.keep({**WHAT, "n_scenarios": 4}, ARRAYS)
        content = next((tmp_path / "other").iterdir()).read_bytes()
    path.write_bytes(content)
    again = KeptResults({}, "two", tmp_path)
    assert again.find(WHAT, SHAPES) is None
    again.keep(WHAT, ARRAYS)
    found = KeptResults({}, "three", tmp_path).find(WHAT, SHAPES)
    assert found is not None and found[1] == "two"


def test_digest_of_the_code_covers_every_file_that_computes() -> None:
    root = kept_results._SECTION.parent
    names = {path.relative_to(root).as_posix() for folder in kept_results._COMPUTING for path in folder.rglob("*.py")}
    assert {"traffic/numba_kernel/advance.py", "traffic/env/vec_env.py"} <= names
    assert "section_7_6_rl_performance/controllers/webster.py" in names
    assert "section_7_6_rl_performance/evaluation/evaluation.py" in names
    assert kept_results._code_digest() != digest_of([])


def test_digest_of_the_code_covers_the_parameters_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = tmp_path / kept_results._SECTION.name
    monkeypatch.setattr(kept_results, "_SECTION", section)
    monkeypatch.setattr(kept_results, "_COMPUTING", (tmp_path / "traffic",))
    (tmp_path / "traffic").mkdir()
    digests = set()
    for value in ("0.15", "0.16"):
        (tmp_path / "traffic" / "parameters.yaml").write_text(f"rho_jam_veh_m: {value}", "utf-8")
        digests.add(kept_results._code_digest.__wrapped__())
    assert len(digests) == 2
