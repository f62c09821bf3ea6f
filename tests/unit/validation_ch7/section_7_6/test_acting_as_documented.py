"""The documented snippets for using a model are executed; they reproduce the reported score."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import A2C
from tiny_world import HYPER_PARAMETERS, SECTION_DIR, tiny_spec

from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_CARD, BEST_MODEL_NORMALIZATION, models_path
from orchestrator.sb3.algorithms.normalization import load_normalization
from orchestrator.sb3.envs.discrete_to_box import as_choices
from tests.conftest import PROJECT_ROOT
from tests.unit.validation_ch7.section_7_6.test_entry import run_here, whole_environment
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import Split

N_SCENARIOS = 5


def snippets(page: str, mark: str) -> list[str]:
    """The Python blocks of a page that contain `mark`."""
    text = (PROJECT_ROOT / "docs" / page).read_text(encoding="utf-8")
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if mark in block]


def run_snippet(snippet: str, root: Path, **names: Any) -> dict[str, Any]:
    """Run a block as a user's script; `names` are variables from an earlier block."""
    path = root / "snippet.py"
    path.write_text(snippet, encoding="utf-8")
    return runpy.run_path(str(path), init_globals=names)


def trained(root: Path, algorithm: str) -> Path:
    """Run a short training of section 7.6 with the user's folder layout; return the models directory."""
    sizes = {"target_steps": 1600, "checkpoint_every_steps": 800, "evaluate_every_steps": 400}
    spec = tiny_spec(**sizes, evaluation_scenarios=2)
    plain = {**HYPER_PARAMETERS[algorithm], "selection_scenarios": N_SCENARIOS}
    spec["lineage"].update(algorithm=algorithm, hyper_parameters=plain, environment=whole_environment(episode_s=600.0))
    assert run_here(root / "validation_ch7", spec).steps_done == 1600
    return models_path(root / "validation_ch7", SECTION_DIR)


@pytest.fixture(scope="module")
def a2c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("a2c"), "A2C")


def identity_of(models: Path) -> dict[str, Any]:
    identity: dict[str, Any] = json.loads((models / BEST_MODEL_CARD).read_text("utf-8"))["identity"]
    return identity


def delay_of(decide: Any, identity: dict[str, Any]) -> float:
    environment = identity["environment"]
    decision_s = TrafficSignalVecEnv(n_envs=1, seed=0, environment=environment).settings.decision_s
    result = evaluate(
        PolicyController(decide, decision_s), environment=environment, split=Split.TUNING, n_scenarios=N_SCENARIOS
    )
    return float(result.delay_s_per_veh.mean())


@pytest.mark.parametrize("page", ["RESUME.md", "CHECKPOINT_SYSTEM.md"])
def test_the_best_model_loaded_as_documented_gives_the_reported_score(
    a2c: Path, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (snippet,) = snippets(page, "A2C.load")
    monkeypatch.chdir(a2c.parents[3])
    run_snippet(snippet, a2c)
    found, reported = map(float, capsys.readouterr().out.split())
    assert found == reported == -identity_of(a2c)["score"]


def test_the_best_model_without_its_statistics_gives_another_score(a2c: Path) -> None:
    model = A2C.load(a2c / BEST_MODEL, device="cpu")
    identity = identity_of(a2c)
    raw = delay_of(lambda seen: model.predict(seen, deterministic=True)[0], identity)
    assert raw != -identity["score"]
    assert model.acts_through == identity["acts_through"] == ["VecNormalize"]


def test_the_snippet_without_this_project_normalizes_identically(a2c: Path) -> None:
    (snippet,) = snippets("RESUME.md", "def normalized(")
    names = run_snippet(snippet, a2c)
    identity = identity_of(a2c)
    crossing = TrafficSignalVecEnv(n_envs=1, seed=0, environment=identity["environment"])
    env = names["normalized"](crossing, a2c / BEST_MODEL_NORMALIZATION)
    model = A2C.load(a2c / BEST_MODEL, env=env, device="cpu")
    found = delay_of(lambda seen: model.predict(env.normalize_obs(seen), deterministic=True)[0], identity)
    assert found == -identity["score"]
    raw = np.random.default_rng(0).normal(0, 9, (50, 15)).astype(np.float32)
    loaded = load_normalization(a2c / BEST_MODEL, crossing)
    assert np.array_equal(loaded.normalize_obs(raw), env.normalize_obs(raw))


def test_a_sac_model_with_normalization_acts_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SAC with `normalize` needs both wrappers; the crossing refuses continuous actions."""
    models = trained(tmp_path, "SAC")
    identity = identity_of(models)
    assert identity["acts_through"] == ["VecNormalize", "SignActions"]
    crossing = TrafficSignalVecEnv(n_envs=2, seed=0, environment=identity["environment"])
    (snippet,) = snippets("RESUME.md", "SAC.load")
    monkeypatch.chdir(models.parents[3])
    assert run_snippet(snippet, tmp_path, crossing=crossing)["rewards"].shape == (2,)
    normalizing = snippet.replace("SignActions(crossing)  # of a training with `normalize`: ", "")
    assert normalizing != snippet
    names = run_snippet(normalizing, tmp_path, crossing=crossing, load_normalization=load_normalization)
    env, model = names["env"], names["model"]

    def decide(seen: Any) -> Any:
        return as_choices(model.predict(env.normalize_obs(seen), deterministic=True)[0], model.action_space)

    assert delay_of(decide, identity) == -identity["score"]
    with pytest.raises(ValueError, match="wrap the environment in `SignActions`"):
        crossing.step(np.array([[0.7], [-0.2]], dtype=np.float32))
