"""Trainings without a session, saved and restored in memory: cheap enough to leave out each saved part once."""

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
from tiny_single import env_of
from tiny_world import HYPER_PARAMETERS, spec_of

from orchestrator.sb3.envs.dummy_vec_env import ATTRIBUTES
from orchestrator.sb3.state.npz_tree import read_state, same_state, write_state
from orchestrator.sb3.state.policy_digest import policy_digest, tensors_digest
from orchestrator.sb3.state.sb3_zip import load_weights, model_bytes
from orchestrator.sb3.state.training_state_io import capture_state, restore_state
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import TrainingSpec

ALGORITHMS = tuple(sorted(HYPER_PARAMETERS))
CUT_STEPS, TARGET_STEPS = (
    256,
    384,
)  # multiples of every algorithm's rollout; the cut is within an episode of 13 decisions


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Contents of a checkpoint."""

    model: bytes
    state: dict[str, Any]


def built(algorithm: str, env: VecEnv | None = None) -> BaseAlgorithm:
    """An untrained model in the tiny environment."""
    prepare_torch("cpu")
    lineage = TrainingSpec.from_json(spec_of(algorithm)).lineage
    return build_model(lineage, env or env_of(algorithm), device="cpu", target_steps=TARGET_STEPS)


def trained(model: BaseAlgorithm, target_steps: int = TARGET_STEPS) -> BaseAlgorithm:
    return model.learn(target_steps - model.num_timesteps, reset_num_timesteps=False)


def saved(model: BaseAlgorithm) -> Saved:
    """Save a model into the bytes of both files and read the state back."""
    stream = BytesIO()
    write_state(stream, capture_state(model))
    return Saved(model=model_bytes(model), state=read_state(stream))


def restored(algorithm: str, whole: Saved, *, leave_out: str | None = None, env: VecEnv | None = None) -> BaseAlgorithm:
    """A new model restored from `whole`, except for one part that keeps its value of a new model."""
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    model = built(algorithm, env)
    # Disturb the generators as another program would: those of a new model might equal the saved ones.
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


def parts_of(algorithm: str, whole: Saved) -> Iterator[str]:
    """Every element that can be left out: parts of the zip, sections of the state, and names within sections."""
    yield from _parts_of_zip(built(algorithm))
    for section, tree in whole.state.items():
        if section == "layers":
            for index, layer in enumerate(tree):
                yield from (f"layers.{index}.{name}" for name in layer["state"])
        elif isinstance(tree, dict) and ATTRIBUTES in tree:
            fresh = dict(capture_state(built(algorithm))[section][ATTRIBUTES])
            yield from (f"{section}.{name}" for name, node in tree[ATTRIBUTES] if not same_state(node, fresh[name]))
        elif isinstance(tree, dict) and section in ("counters", "schedules", "last", "episode_statistics"):
            yield from (f"{section}.{name}" for name in tree)
        else:
            yield section


def end_of(model: BaseAlgorithm) -> dict[str, str]:
    """Digests of the whole final state: policy, model zip, optimizers and resume state."""
    names, variables = model._get_torch_save_params()
    learned = {name: fingerprint(_plain(recursive_getattr(model, name).state_dict())) for name in names[1:]}
    learned |= {name: tensors_digest({name: recursive_getattr(model, name)}) for name in variables}
    state = {name: fingerprint(tree) for name, tree in capture_state(model).items()}
    zipped = hashlib.sha256(model_bytes(model)).hexdigest()
    return {"policy": policy_digest(model.policy), "zip": zipped, **learned, **state}


def random_cuts(seed: int, *, count: int, target_steps: int) -> list[int]:
    """Random steps at which a run is cut; printed so that a failure can be reproduced."""
    cuts = sorted(random.Random(seed).sample(range(1, target_steps), count))
    print(f"cuts at {cuts} with seed {seed}")
    return cuts


def _parts_of_zip(model: BaseAlgorithm) -> dict[str, Callable[[], None]]:
    """Name -> function that resets the part to its present value: optimizers, variables and target networks."""
    names, variables = model._get_torch_save_params()
    resets: dict[str, Callable[[], None]] = {}
    for name in names:
        if name != "policy":
            resets[name] = _reset(recursive_getattr(model, name))
    for name in variables:
        resets[name] = _refill(recursive_getattr(model, name))
    for name, network in model.policy.named_children():
        if "target" in name:
            resets[f"policy.{name}"] = _reset(network)
    return resets


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
    """The tree with one element replaced by its value in a new model."""
    section, _, name = (element or "").partition(".")
    if section not in tree:
        return tree
    if section == "layers" and name:
        index, _, name = name.partition(".")
        layers = [dict(layer) for layer in tree["layers"]]
        layer = layers[int(index)]
        layer["state"] = {**layer["state"], name: fresh["layers"][int(index)]["state"][name]}
        return {**tree, "layers": layers}
    if name and ATTRIBUTES in tree[section]:
        kept, other = tree[section][ATTRIBUTES], dict(fresh[section][ATTRIBUTES])
        return {**tree, section: {ATTRIBUTES: [[one, other[one] if one == name else node] for one, node in kept]}}
    if name and name not in fresh[section]:  # a new model has no such part
        return {**tree, section: {one: node for one, node in tree[section].items() if one != name}}
    value = {**tree[section], name: fresh[section][name]} if name else fresh[section]
    return {**tree, section: value}
