"""Trainings without the outside of a session, cut and mended in memory: cheap enough to leave out each part once."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from readings import fingerprint
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecEnv
from tiny_world import HYPER_PARAMETERS, TinyVecEnv, spec_of

from orchestrator.sb3.state.npz_tree import read_state, write_state
from orchestrator.sb3.state.policy_digest import policy_digest, tensors_digest
from orchestrator.sb3.state.sb3_zip import load_weights, model_bytes
from orchestrator.sb3.state.training_state_io import capture_state, restore_state
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import TrainingSpec

ALGORITHMS = tuple(sorted(HYPER_PARAMETERS))
CUT_STEPS, TARGET_STEPS = 256, 384  # whole rollouts of every tiny algorithm, the cut within an episode of 13 decisions


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a checkpoint holds."""

    model: bytes
    state: dict[str, Any]


def built(algorithm: str, env: VecEnv | None = None) -> BaseAlgorithm:
    """An untrained model of the tiny world, the generators of the process disturbed by another program before."""
    prepare_torch("cpu")
    return build_model(TrainingSpec.from_json(spec_of(algorithm)).lineage, env or TinyVecEnv(4, 7), device="cpu")


def trained(model: BaseAlgorithm, target_steps: int = TARGET_STEPS) -> BaseAlgorithm:
    return model.learn(target_steps - model.num_timesteps, reset_num_timesteps=False)


def saved(model: BaseAlgorithm) -> Saved:
    """Through the bytes of both files."""
    stream = BytesIO()
    write_state(stream, capture_state(model))
    return Saved(model=model_bytes(model), state=read_state(stream))


def mended(algorithm: str, whole: Saved, *, leave_out: str | None = None, env: VecEnv | None = None) -> BaseAlgorithm:
    """A new model that goes on from what was saved, with one part as it is in a model that was just built."""
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    model = built(algorithm, env)
    # As another program would have left them: a new model's generators may stand just where the saved ones do.
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    model.action_space.sample()
    fresh = _parts_of_zip(model)
    load_weights(model, whole.model, sha256=hashlib.sha256(whole.model).hexdigest())
    if leave_out in fresh:
        fresh[leave_out]()
    restore_state(model, _without(whole.state, leave_out, capture_state(model)))
    return model


def run_context(algorithm: str, whole: Saved) -> Iterator[str]:
    """Every element that can be left out: of the state, down to the names within a section, and of the zip."""
    yield from _parts_of_zip(built(algorithm))
    for section, tree in whole.state.items():
        if section == "layers":
            for index, layer in enumerate(tree):
                yield from (f"layers.{index}.{name}" for name in layer["state"])
        elif isinstance(tree, dict) and section in ("counters", "schedules", "last", "episode_statistics"):
            yield from (f"{section}.{name}" for name in tree)
        else:
            yield section


def end_of(model: BaseAlgorithm) -> dict[str, str]:
    """Digests of everything at the end: what users load, what learned it, and what it would go on with."""
    names, variables = model._get_torch_save_params()
    learned = {name: fingerprint(_plain(recursive_getattr(model, name).state_dict())) for name in names[1:]}
    learned |= {name: tensors_digest({name: recursive_getattr(model, name)}) for name in variables}
    state = {name: fingerprint(tree) for name, tree in capture_state(model).items()}
    zipped = hashlib.sha256(model_bytes(model)).hexdigest()
    return {"policy": policy_digest(model.policy), "zip": zipped, **learned, **state}


def random_cuts(seed: int, *, count: int, target_steps: int) -> list[int]:
    """Where a run is cut, anywhere; printed, so that a failure can be had again."""
    cuts = sorted(random.Random(seed).sample(range(1, target_steps), count))
    print(f"cuts at {cuts} with seed {seed}")
    return cuts


def _parts_of_zip(model: BaseAlgorithm) -> dict[str, Callable[[], None]]:
    """Name -> puts that part back to what it is now: optimizers, variables, and target networks of the policy."""
    names, variables = model._get_torch_save_params()
    context: dict[str, Callable[[], None]] = {}
    for name in names:
        if name != "policy":
            context[name] = _reset(recursive_getattr(model, name))
    for name in variables:
        context[name] = _refill(recursive_getattr(model, name))
    for name, network in model.policy.named_children():
        if "target" in name:
            context[f"policy.{name}"] = _reset(network)
    return context


def _reset(part: Any) -> Callable[[], None]:
    fresh = {"kept": _deep(part.state_dict())}
    return lambda: part.load_state_dict(fresh["kept"])


def _refill(tensor: torch.Tensor) -> Callable[[], None]:
    fresh = tensor.detach().clone()

    def refill() -> None:
        with torch.no_grad():
            tensor.copy_(fresh)

    return refill


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _deep(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_deep(item) for item in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value


def _without(tree: dict[str, Any], element: str | None, fresh: dict[str, Any]) -> dict[str, Any]:
    """The tree with one element as it is in a model that was just built."""
    section, _, name = (element or "").partition(".")
    if section not in tree:
        return tree
    if section == "layers" and name:
        index, _, name = name.partition(".")
        layers = [dict(layer) for layer in tree["layers"]]
        layer = layers[int(index)]
        layer["state"] = {**layer["state"], name: fresh["layers"][int(index)]["state"][name]}
        return {**tree, "layers": layers}
    value = {**tree[section], name: fresh[section][name]} if name else fresh[section]
    return {**tree, section: value}
