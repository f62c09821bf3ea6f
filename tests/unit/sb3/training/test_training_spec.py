import copy
from typing import Any

import pytest
from tiny_world import HYPER_PARAMETERS, TinyVecEnv, spec_of, tiny_spec

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.action_noise import drifting_parts
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import TrainingSpec


def changed(*path: str, value: Any = None, drop: bool = False) -> dict[str, Any]:
    spec = copy.deepcopy(tiny_spec())
    place = spec
    for name in path[:-1]:
        place = place[name]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return spec


def test_a_spec_is_read_with_its_nested_blocks() -> None:
    plan = TrainingSpec.from_json(tiny_spec())
    assert plan.lineage.network == (16, 16)
    assert plan.lineage.hyper_parameters.exploration.over_steps == 1500
    assert plan.lineage.hyper_parameters.horizon_steps == 3000


BLOCKS = [
    ("spec", ()),
    ("lineage", ("lineage",)),
    ("hyper_parameters", ("lineage", "hyper_parameters")),
    ("hyper_parameters.exploration", ("lineage", "hyper_parameters", "exploration")),
]


@pytest.mark.parametrize(("name", "path"), BLOCKS)
def test_an_unknown_key_of_any_block_is_refused_by_name(name: str, path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=rf"unknown key {name}\.wrong"):
        TrainingSpec.from_json(changed(*path, "wrong", value=1))


def test_the_nearest_known_key_is_named() -> None:
    with pytest.raises(ValueError, match=r"hyper_parameters\.batchsize; the nearest known one is batch_size"):
        TrainingSpec.from_json(changed("lineage", "hyper_parameters", "batchsize", value=1))


def all_keys() -> list[tuple[str, ...]]:
    spec = tiny_spec()
    keys: list[tuple[str, ...]] = [(name,) for name in spec]
    return keys + [("lineage", name) for name in spec["lineage"]]


@pytest.mark.parametrize("path", all_keys())
def test_every_key_is_required(path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=rf"missing key .*{path[-1]}"):
        TrainingSpec.from_json(changed(*path, drop=True))


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("target_steps",), 0, "target_steps must be positive"),
        (("evaluate_every_steps",), -1, "evaluate_every_steps must be positive"),
        (("resume_floor",), "roughly", "resume_floor is 'roughly'"),
        (("section",), "section_7_3", "the lineage belongs to section_7_6"),
    ],
)
def test_invalid_values_are_refused(path: tuple[str, ...], value: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        TrainingSpec.from_json(changed(*path, value=value))


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="'SARSA'; known are DQN, QRDQN, PPO, A2C, SAC, TD3"):
        TrainingSpec.from_json(changed("lineage", "algorithm", value="SARSA"))


def test_hyper_parameters_of_another_algorithm_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown key hyper_parameters\.buffer_size"):
        TrainingSpec.from_json(changed("lineage", "algorithm", value="PPO"))
    with pytest.raises(ValueError, match=r"unknown key hyper_parameters\.n_quantiles"):
        TrainingSpec.from_json(changed("lineage", "hyper_parameters", "n_quantiles", value=5))


def test_another_number_of_environments_is_refused() -> None:
    with pytest.raises(ValueError, match="3 environments were built, the lineage declares 4"):
        build_model(TrainingSpec.from_json(tiny_spec()).lineage, TinyVecEnv(3, 7), device="cpu")


@pytest.mark.parametrize("algorithm", sorted(HYPER_PARAMETERS))
def test_every_hyper_parameter_reaches_the_model(algorithm: str) -> None:
    """A change of any single value must change the built model."""
    numbers = ("batch_size", "gamma", "n_envs", "seed")
    of_replay = ("buffer_size", "learning_starts", "gradient_steps", "train_freq", "target_update_interval", "tau")
    of_one = ("n_quantiles", "policy_delay", "target_policy_noise", "target_noise_clip", "normalize_advantage")
    of_rollouts = ("n_steps", "n_epochs", "gae_lambda", "ent_coef", "vf_coef")

    def described(spec: dict[str, Any]) -> list[Any]:
        lineage = TrainingSpec.from_json(spec).lineage
        model: Any = build_model(lineage, TinyVecEnv(lineage.hyper_parameters.n_envs, 7), device="cpu")
        schedules = [model.lr_schedule(0.5), model.horizon_steps]
        schedules += [
            getattr(model, name)(0.9) for name in ("clip_range", "exploration_schedule") if hasattr(model, name)
        ]
        noise = [vars(part) for part in drifting_parts(getattr(model, "action_noise", None))]
        layer = model.get_vec_normalize_env()
        values = [getattr(model, name, None) for name in (*numbers, *of_replay, *of_one, *of_rollouts)]
        values += [noise, layer and (layer.norm_obs, layer.norm_reward)]
        return [*schedules, *map(str, values), str(model.policy)]

    def changed_value(old: Any) -> Any:
        if isinstance(old, dict):
            first = next(name for name in ("start", "sigma", "rewards") if name in old)
            return {**old, first: changed_value(old[first])}
        if isinstance(old, bool | str):
            return "auto_0.25" if isinstance(old, str) else not old
        return old / 2 if isinstance(old, float) else old * 2

    known = described(spec_of(algorithm))
    for name, old in HYPER_PARAMETERS[algorithm].items():
        if name == "selection_scenarios":  # used by the evaluation, not by the model
            continue
        spec = spec_of(algorithm)
        spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS[algorithm], name: changed_value(old)}
        assert described(spec) != known, name
    for name, value in {"network": [8], "seed": 8}.items():
        spec = spec_of(algorithm)
        spec["lineage"][name] = value
        assert described(spec) != known


def test_a_missing_or_unknown_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SessionRefused, match="asks for cuda"):
        prepare_torch("cuda")
    assert prepare_torch("auto") == prepare_torch("cpu") == "cpu"
    with pytest.raises(ValueError, match="'tpu'"):
        prepare_torch("tpu")
