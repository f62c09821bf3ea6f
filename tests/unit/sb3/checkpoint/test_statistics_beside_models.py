"""A training that normalizes writes its statistics beside every model zip; other trainings write none."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from readings import fingerprints, latest_card, models_dir
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecMonitor, VecNormalize
from tiny_world import (
    EPISODE_STEPS,
    HYPER_PARAMETERS,
    TestBench,
    TinyVecEnv,
    bench,
    spec_of,
    tiny_world,
)

from orchestrator.kernel.checkpoint.card import card_fault, read_card
from orchestrator.kernel.checkpoint.normalization_file import normalization_path, read_normalization
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.wire import (
    BEST_MODEL,
    BEST_MODEL_CARD,
    BEST_MODEL_NORMALIZATION,
    CHECKPOINTS,
    LOGS_SUFFIX,
    NORMALIZATION_SUFFIX,
    STATE_SUFFIX,
)
from orchestrator.sb3.algorithms.normalization import load_normalization
from orchestrator.sb3.envs.discrete_to_box import SignActions
from orchestrator.sb3.envs.wrappers import acts_through
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import read_state, write_state
from orchestrator.sb3.training.training_state import Evaluation, Task
from tests.unit.sb3.envs.test_wrappers import Walk

SCENARIO = "traffic_light_control"
NORMALIZING = ("A2C", "SAC")


def run_training(test_bench: TestBench, task: Task | None = None) -> TrainingResult:
    try:
        return train(test_bench.context, test_bench.plan, task or tiny_world())
    finally:
        test_bench.context.reporter.close()


def run(working: Path, algorithm: str, target_steps: int, *, session: int = 1, **changes: Any) -> TrainingResult:
    return run_training(bench(working, spec_of(algorithm, target_steps=target_steps, **changes), session=session))


def with_normalize(algorithm: str, **normalized: bool) -> dict[str, Any]:
    spec = spec_of(algorithm, target_steps=800)
    spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS[algorithm], "normalize": normalized}
    return spec


def statistics_files(working: Path) -> set[str]:
    folder = models_dir(working)
    return {path.relative_to(folder).as_posix() for path in folder.rglob(f"*{NORMALIZATION_SUFFIX}")}


@pytest.mark.parametrize("algorithm", NORMALIZING)
def test_every_model_zip_has_its_statistics(tmp_path: Path, algorithm: str) -> None:
    result = run(tmp_path, algorithm, 1600, checkpoint_every_steps=400)
    folder = models_dir(tmp_path)
    zips = sorted(folder.rglob("*.zip"))
    assert len(zips) == 4  # two checkpoints after rotation, the best model, the final model
    assert statistics_files(tmp_path) == {normalization_path(path).relative_to(folder).as_posix() for path in zips}
    for path in zips:
        assert read_normalization(path).norm_obs and read_normalization(path).norm_reward
    newest = latest_card(tmp_path)
    assert card_fault(newest, folder / CHECKPOINTS) is None and newest.has_normalization
    assert newest.identity["acts_through"][0] == "VecNormalize"
    layer = result.training.model.get_vec_normalize_env()
    assert layer is not None
    for name in (f"{CHECKPOINTS}/{newest.stem}.zip", f"{SCENARIO}_final.zip"):
        saved = read_normalization(folder / name)
        assert saved.obs_rms is not None and saved.ret_rms is not None
        assert saved.obs_rms.mean == layer.obs_rms.mean.tolist() and saved.obs_rms.count == layer.obs_rms.count
        assert (saved.ret_rms.var, saved.gamma) == (float(layer.ret_rms.var), 0.97)


@pytest.mark.parametrize("algorithm", ["DQN", "TD3"])
def test_a_training_without_normalization_writes_no_statistics(tmp_path: Path, algorithm: str) -> None:
    run(tmp_path, algorithm, 800)
    card = latest_card(tmp_path)
    assert statistics_files(tmp_path) == set()
    assert [entry.path.removeprefix(card.stem) for entry in card.files] == [".zip", STATE_SUFFIX, LOGS_SUFFIX]
    best = read_card(models_dir(tmp_path) / BEST_MODEL_CARD)
    assert [entry.path for entry in best.files] == [BEST_MODEL.name]
    # The card records that the sign chooses the action; the zip does not change.
    assert card.identity.get("acts_through") == (["SignActions"] if algorithm == "TD3" else None)
    state = read_state(models_dir(tmp_path) / CHECKPOINTS / f"{card.stem}{STATE_SUFFIX}")
    assert set(state["selection"]["best"]) == {"steps", "score", "policy_digest", "model_zip"}


def test_the_best_model_has_the_statistics_of_its_own_evaluation(tmp_path: Path) -> None:
    seen: list[Any] = []

    def evaluate(model: Any, lineage: Any) -> Evaluation:
        seen.append(model.get_vec_normalize_env().obs_rms.copy())
        return Evaluation(score=-float(len(seen)), measures={})  # the first evaluation is the best

    test_bench = bench(tmp_path, spec_of("A2C", target_steps=1600))
    result = run_training(test_bench, replace(tiny_world(), evaluate=evaluate))
    found = read_normalization(models_dir(tmp_path) / BEST_MODEL).obs_rms
    assert found is not None and len(seen) > 2 and result.training.record.best is not None
    assert (found.mean, found.var, found.count) == (seen[0].mean.tolist(), seen[0].var.tolist(), seen[0].count)


def test_the_best_model_with_its_statistics_reaches_its_recorded_score(tmp_path: Path) -> None:
    """Loaded with the plain library, in the episodes of the evaluation that chose it."""
    run(tmp_path, "A2C", 1600)
    best = models_dir(tmp_path) / BEST_MODEL
    model = A2C.load(best, device="cpu")

    def mean_return(env: VecEnv) -> float:
        observations, total = env.reset(), 0.0
        for _ in range(EPISODE_STEPS):
            observations, rewards, _, _ = env.step(model.predict(observations, deterministic=True)[0])
            total += float(rewards.sum())
        return total / env.num_envs

    score = read_card(models_dir(tmp_path) / BEST_MODEL_CARD).identity["score"]
    assert mean_return(load_normalization(best, TinyVecEnv(5, seed=99))) == score
    assert mean_return(TinyVecEnv(5, seed=99)) != score
    assert model.acts_through == ["VecNormalize"]


@pytest.mark.parametrize("algorithm", NORMALIZING)
def test_the_statistics_files_do_not_depend_on_cuts(tmp_path: Path, algorithm: str) -> None:
    run(tmp_path / "straight", algorithm, 1280)
    for session, target_steps in ((1, 320), (2, 928), (3, 1280)):
        run(tmp_path / "chain", algorithm, target_steps, session=session)
    one, other = (
        {name: (models_dir(tmp_path / variant) / name).read_bytes() for name in statistics_files(tmp_path / variant)}
        for variant in ("straight", "chain")
    )
    common = set(one) & set(other)
    assert {BEST_MODEL_NORMALIZATION.as_posix(), f"{SCENARIO}_final{NORMALIZATION_SUFFIX}"} <= common
    assert {name: one[name] for name in common} == {name: other[name] for name in common}


def test_rotation_deletes_the_statistics_with_their_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, "A2C", 1600, checkpoint_every_steps=200)
    stems = {name.rpartition("/")[2].partition(".")[0] for name in statistics_files(tmp_path) if CHECKPOINTS in name}
    assert len(stems) == 2
    assert stems == {path.stem for path in (models_dir(tmp_path) / CHECKPOINTS).glob("*_steps.json")}


@pytest.mark.parametrize("damage", ["lost", "of another moment"])
def test_a_checkpoint_whose_statistics_are_damaged_is_not_used(tmp_path: Path, damage: str) -> None:
    run(tmp_path, "A2C", 1600, checkpoint_every_steps=800)
    newest = latest_card(tmp_path)
    path = models_dir(tmp_path) / CHECKPOINTS / f"{newest.stem}{NORMALIZATION_SUFFIX}"
    other = (models_dir(tmp_path) / BEST_MODEL_NORMALIZATION).read_bytes() + b" "
    path.unlink() if damage == "lost" else path.write_bytes(other)
    assert latest_card(tmp_path).steps < newest.steps


def reduce_to_an_earlier_version(working: Path) -> None:
    """Remove what earlier versions did not write: files, entries of cards, and parts of the state."""
    folder = models_dir(working)
    for card_path in (*(folder / CHECKPOINTS).glob("*_steps.json"), folder / BEST_MODEL_CARD):
        card = read_card(card_path)
        state_path = card_path.with_name(card.stem + STATE_SUFFIX)
        if state_path.is_file():
            state = read_state(state_path)
            state["selection"]["best"].pop("returns")
            state["selection"]["best"].get("normalization", {}).pop("count", None)
            write_state(state_path, state)
        kept = [entry for entry in card.files if not entry.path.endswith(NORMALIZATION_SUFFIX)]
        paths = [card_path.with_name(entry.path) for entry in kept]
        files = tuple(
            replace(entry, size_bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
            for entry, path in zip(kept, paths, strict=True)
        )
        identity = {name: value for name, value in card.identity.items() if name != "acts_through"}
        # The ancestry is removed: its digests belong to the current files.
        write_json(card_path, replace(card, files=files, identity=identity, ancestry=()).to_json())
    for name in statistics_files(working):
        (folder / name).unlink()


@pytest.mark.parametrize("algorithm", NORMALIZING)
def test_an_earlier_checkpoint_continues_exactly_and_its_best_model_gets_statistics(
    tmp_path: Path, algorithm: str
) -> None:
    run(tmp_path / "straight", algorithm, 1280)
    first = run(tmp_path / "chain", algorithm, 640).training.record.best
    assert first is not None and first.normalization is not None
    reduce_to_an_earlier_version(tmp_path / "chain")
    assert latest_card(tmp_path / "chain").steps == 640

    test_bench = bench(tmp_path / "chain", spec_of(algorithm, target_steps=640), session=2)
    run_training(test_bench)  # already at the target: the session only completes the files
    folder = models_dir(tmp_path / "chain")
    saved = read_normalization(folder / BEST_MODEL)
    assert saved.obs_rms is not None and saved.obs_rms.mean == first.normalization.mean.tolist()
    assert (saved.obs_rms.count, saved.ret_rms, saved.norm_reward) == (None, None, True)
    assert card_fault(read_card(folder / BEST_MODEL_CARD), folder / "best_model") is None
    assert any("Best model put back" in line for line in test_bench.output)
    env = load_normalization(folder / BEST_MODEL, TinyVecEnv(4, 7))
    raw = np.random.default_rng(0).normal(0, 9, (20, 3))
    assert np.array_equal(np.asarray(env.normalize_obs(raw)), first.normalization(raw))

    test_bench = bench(tmp_path / "chain", spec_of(algorithm, target_steps=1280), session=3)
    second = run_training(test_bench)
    assert second.training.grade is not None and second.training.grade.grade == "exact"
    straight, chain = fingerprints(tmp_path / "straight"), fingerprints(tmp_path / "chain")
    of_best = {"selection.best"}  # its counts are unknown if the best model is still the earlier one
    assert {part: chain[part] for part in chain if part not in of_best} == {
        part: straight[part] for part in straight if part not in of_best
    }


@pytest.mark.parametrize("damage", ["lost", "of another model"])
def test_the_statistics_of_the_best_model_are_restored(tmp_path: Path, damage: str) -> None:
    run(tmp_path, "A2C", 800)
    path = models_dir(tmp_path) / BEST_MODEL_NORMALIZATION
    before = path.read_bytes()
    path.unlink() if damage == "lost" else path.write_bytes(before.replace(b'"gamma": 0.97', b'"gamma": 0.98'))
    assert damage == "lost" or path.read_bytes() != before
    run(tmp_path, "A2C", 800, session=2)
    assert path.read_bytes() == before


def test_old_statistics_are_deleted_beside_a_best_model_without_statistics(tmp_path: Path) -> None:
    path = models_dir(tmp_path) / BEST_MODEL_NORMALIZATION
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    run(tmp_path, "DQN", 800)
    assert not path.exists()


def test_reward_statistics_are_saved_and_not_needed_to_act(tmp_path: Path) -> None:
    run_training(bench(tmp_path, with_normalize("PPO", observations=False, rewards=True)))
    best = models_dir(tmp_path) / BEST_MODEL
    saved = read_normalization(best)
    assert (saved.norm_obs, saved.norm_reward, saved.obs_rms) == (False, True, None) and saved.ret_rms is not None
    assert "acts_through" not in latest_card(tmp_path).identity
    env = load_normalization(best, TinyVecEnv(4, 7))
    assert np.array_equal(env.reset(), TinyVecEnv(4, 7).reset())


def test_observation_statistics_alone_are_described_as_such(tmp_path: Path) -> None:
    run_training(bench(tmp_path, with_normalize("PPO", observations=True, rewards=False)))
    saved = read_normalization(models_dir(tmp_path) / BEST_MODEL)
    assert saved.normalizes == ("observations",)


def test_statistics_for_other_observations_are_refused(tmp_path: Path) -> None:
    run(tmp_path, "A2C", 400)
    with pytest.raises(ValueError, match=r"observations of shape \(3,\), the environment gives \(1,\)"):
        load_normalization(models_dir(tmp_path) / BEST_MODEL, DummyVecEnv([lambda: Walk(1)]))


def test_an_interrupted_save_leaves_no_checkpoint_without_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.kernel.checkpoint import save as save_module

    original: Callable[..., None] = save_module.write_atomically
    for cut in range(3):
        working = tmp_path / str(cut)
        run(working, "A2C", 320)
        made = 0

        def fail_at_cut(path: Path, write: Any, cut: int = cut) -> None:
            nonlocal made
            if made == cut:
                raise OSError("the power went off")
            made += 1
            original(path, write)

        with monkeypatch.context() as patch:
            patch.setattr(save_module, "write_atomically", fail_at_cut)
            with pytest.raises(OSError, match="power"):
                run(working, "A2C", 640, session=2)
        assert latest_card(working).steps == 320
        run(working, "A2C", 640, session=3)
        newest = latest_card(working)
        assert newest.steps == 640 and newest.has_normalization


@pytest.mark.parametrize("algorithm", NORMALIZING)
def test_a_weights_only_resume_with_other_n_envs_keeps_the_statistics(tmp_path: Path, algorithm: str) -> None:
    """Without its statistics, the policy would act differently from the first step on."""
    first = run(tmp_path, algorithm, 640)
    before = first.training.model.get_vec_normalize_env()
    assert before is not None
    spec = spec_of(algorithm, target_steps=640, resume_floor="weights-only")
    spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS[algorithm], "n_envs": 8}
    test_bench = bench(tmp_path, spec, session=2)
    layer = run_training(test_bench).training.model.get_vec_normalize_env()
    assert layer is not None and np.array_equal(layer.obs_rms.mean, before.obs_rms.mean)
    assert (layer.obs_rms.count, float(layer.ret_rms.var)) == (before.obs_rms.count, float(before.ret_rms.var))
    assert any("has 4 environments, this training 8" in line for line in test_bench.output)
    assert any("statistics of the normalization are continued" in line for line in test_bench.output)


@pytest.mark.parametrize("known_count", [True, False])
def test_a_weights_only_resume_without_a_state_file_keeps_the_statistics(tmp_path: Path, known_count: bool) -> None:
    """A best model is made a checkpoint, and another training starts from it."""
    run(tmp_path / "first", "A2C", 640)
    best = read_card(models_dir(tmp_path / "first") / BEST_MODEL_CARD)
    stem = f"{SCENARIO}_checkpoint_{best.steps}_steps"
    folder = models_dir(tmp_path / "second") / CHECKPOINTS
    folder.mkdir(parents=True)
    files = []
    for entry in best.files:
        suffix = entry.path.removeprefix(best.stem)
        content = (models_dir(tmp_path / "first") / "best_model" / entry.path).read_bytes()
        if suffix == NORMALIZATION_SUFFIX and not known_count:
            plain = json.loads(content)
            plain["obs_rms"]["count"], plain["ret_rms"] = None, None
            content = json.dumps(plain).encode()
        (folder / f"{stem}{suffix}").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append(replace(entry, path=f"{stem}{suffix}", size_bytes=len(content), sha256=sha256))
    card = replace(best, stem=stem, files=tuple(files))
    write_json(folder / card.name, card.to_json())
    saved = read_normalization(folder / f"{stem}.zip")
    assert saved.obs_rms is not None

    test_bench = bench(
        tmp_path / "second", spec_of("A2C", target_steps=best.steps, resume_floor="weights-only"), session=2
    )
    layer = run_training(test_bench).training.model.get_vec_normalize_env()
    assert layer is not None and layer.obs_rms.mean.tolist() == saved.obs_rms.mean and layer.training
    assert layer.obs_rms.count == (saved.obs_rms.count if known_count else best.steps)
    assert not any("Not all of" in line for line in test_bench.output)


def test_a_weights_only_resume_without_normalization_reports_the_difference(tmp_path: Path) -> None:
    run(tmp_path, "A2C", 640)
    spec = spec_of("A2C", target_steps=640, resume_floor="weights-only")
    spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS["A2C"], "normalize": None}
    spec["lineage"]["hyper_parameters"].pop("normalize")
    test_bench = bench(tmp_path, spec, session=2)
    run_training(test_bench)
    assert any("checkpoint=['VecNormalize'], current=[]" in line for line in test_bench.output)


def test_acts_through_lists_the_wrappers_from_the_outermost_in() -> None:
    plain = DummyVecEnv([lambda: Walk(1)])
    assert acts_through(plain) == acts_through(VecMonitor(plain)) == ()
    assert acts_through(VecFrameStack(VecNormalize(VecMonitor(plain)), 2)) == ("VecFrameStack", "VecNormalize")
    assert acts_through(VecNormalize(plain, norm_obs=False)) == ()
    assert acts_through(VecNormalize(SignActions(TinyVecEnv(4, 7)))) == ("VecNormalize", "SignActions")
