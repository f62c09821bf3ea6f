"""The pool's command over real finished sessions, and over such that were spoilt afterwards."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_section_entry import crossing_spec, through_the_boot
from tiny_world import SECTION_DIR

from validation_ch7.section_7_6_rl_performance.pool.__main__ import main
from validation_ch7.section_7_6_rl_performance.pool.trainings import PoolRefused, finished_trainings


def spec_of_seed(seed: int) -> dict[str, Any]:
    spec = crossing_spec(target_steps=1200, checkpoint_every_steps=1200, evaluate_every_steps=1200)
    spec["lineage"].update(seed=seed, environment={"episode_s": 600.0})
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
    told = capsys.readouterr().out
    assert "| **DQN** | 2 |" in told and "inconclusive" in told and "2 trainings are too few" in told
    assert (output / "pool.md").read_text("utf-8") == told
    plain = json.loads((output / "pool.json").read_text("utf-8"))
    assert plain["algorithms"]["DQN"]["seeds"] == [0, 1] and plain["n_scenarios"] == 12
    for training in finished_trainings(results, profile="quick"):
        written = results / f"local_seed-{training.seed}" / SECTION_DIR / "data/metrics/rl_performance_comparison.json"
        mean_s = json.loads(written.read_text("utf-8"))["controllers"]["rl"]["delay_s_per_veh"]
        assert training.delays_s["rl"].mean() == pytest.approx(mean_s)


def test_other_profiles_are_left_out(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results)]) == 2
    assert "no finished training" in capsys.readouterr().err
    assert main(["--results", str(results / "nowhere")]) == 2


def touched_up(folder: Path) -> None:
    """A better number written into the table afterwards."""
    path = folder / SECTION_DIR / "data/metrics/rl_performance_scenarios.csv"
    first, better, *rest = path.read_text("utf-8").splitlines(keepends=True)
    cells = better.split(",")
    cells[4] = "9.9"
    path.write_text(first + ",".join(cells) + "".join(rest), "utf-8")


def declared_invalid(folder: Path) -> None:
    path = folder / "session_manifest.json"
    plain = json.loads(path.read_text("utf-8"))
    judged = {**plain, "verdict": "invalid", "verdict_reasons": ["a mean speed of 866 m/s"]}
    path.write_text(json.dumps(judged), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"), [(touched_up, "local_seed-1 is damaged"), (declared_invalid, "invalid: a mean speed of 866 m/s")]
)
def test_what_cannot_be_believed_is_not_pooled(spoil: Callable[[Path], None], told: str, results: Path) -> None:
    spoil(results / "local_seed-1")
    with pytest.raises(PoolRefused, match=told):
        finished_trainings(results, profile="quick")
