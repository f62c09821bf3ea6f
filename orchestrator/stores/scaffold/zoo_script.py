"""Writes the script of an RL Zoo entry: environment and model as RL Zoo builds them, trained with `run.sb3`.

Source: `ExperimentManager.create_envs` and `setup_experiment` in `rl_zoo3/exp_manager.py`: the order of the wrappers is
Monitor, `env_wrapper`, `vec_env_wrapper`, VecNormalize, VecFrameStack.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from orchestrator.core.zoo.entry import ZooEntry
from orchestrator.core.zoo.environments import family_of
from orchestrator.stores.scaffold.algorithms import module_of_environment
from orchestrator.stores.scaffold.python_text import PythonText, Text, joined

_TAKEN = frozenset(
    {"env", "gymnasium", "linear", "model", "n_actions", "np", "orchestrator", "run", "wrapped", "noise"}
)
_VEC_ENV = "stable_baselines3.common.vec_env"
_NOISE = "stable_baselines3.common.noise"
_NOISES = {"normal": "NormalActionNoise", "ornstein_uhlenbeck": "OrnsteinUhlenbeckActionNoise"}
_LINEAR = '''def linear(start):
    """`lin_{start}` of RL Zoo: from start to 0 over the whole training."""
    return lambda remaining: start * remaining


'''


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooTraining:
    """A training of an RL Zoo entry.

    Attributes:
        env: Id of the environment.
        entry: The entry.
        source: Name of the file and of the entry in it, for the script's first line.
    """

    env: str
    entry: ZooEntry
    source: str

    @property
    def target(self) -> int:
        """Steps of the whole training."""
        assert self.entry.n_timesteps is not None  # an entry of a file has them
        return self.entry.n_timesteps

    @property
    def n_envs(self) -> int:
        """Environments stepped together. With ARS, RL Zoo's number counts processes that evaluate candidates."""
        return 1 if self.entry.algorithm.name == "ARS" else self.entry.n_envs

    @property
    def registers(self) -> str:
        """Module whose import registers the environment; empty for gymnasium's own."""
        family = family_of(self.env)
        return module_of_environment(self.env) or (family.registers if family else "")

    @property
    def libraries(self) -> list[str]:
        """Modules that the script and its environment need, by their top-level names."""
        family, entry = family_of(self.env), self.entry
        paths = ["gymnasium", entry.algorithm.library, "stable_baselines3", *(one.module for one in entry.calls)]
        paths += [self.registers] if self.registers else []
        paths += family.libraries if family else ()
        paths += ["cv2"] if any(one.name in _USE_CV2 for one in entry.env_wrapper) else []
        return list(dict.fromkeys(path.partition(".")[0] for path in paths))


_USE_CV2 = frozenset(
    {
        *("AtariWrapper", "WarpFrame", "AtariPreprocessing", "ResizeObservation", "YAMLCompatResizeObservation"),
        "GrayscaleObservation",
    }
)
"""Wrappers that scale images with OpenCV."""


def zoo_script(training: ZooTraining) -> bytes:
    """The script, with LF line ends, in UTF-8."""
    text = PythonText(_TAKEN)
    entry = training.entry
    body = [
        f"with orchestrator.session(target={training.target:_}, seed=0) as run:",
        *_environment(training, text),
        *_noise(entry, text),
        *_model(entry, text),
    ]
    helpers = _wrapping(entry, text) + (_LINEAR if text.uses_linear else "")
    imports = sorted(
        ["import gymnasium", *(["import numpy as np"] if entry.noise else [])]
        + ([f"import {training.registers}  # noqa: F401  # registers the environment"] if training.registers else [])
    )
    head = f"{entry.algorithm.name} on {training.env}, with the hyper-parameters of RL Zoo: {training.source}."
    title = json.dumps(head, ensure_ascii=False)[1:-1]
    lines = [f'"""{title}"""', "", *imports, *text.import_lines(), "", "import orchestrator", ""]
    script = "\n".join(lines) + "\n" + (f"\n{helpers}" if helpers else "") + "\n".join(body) + "\n"
    ast.parse(script)  # a bug here must not reach the user's disk
    return script.encode("utf-8")


def _environment(training: ZooTraining, text: PythonText) -> list[str]:
    entry = training.entry
    make = text.call("gymnasium.make", [text.value(training.env)], entry.env_kwargs, 2)
    more: dict[str, Any] = {"n_envs": training.n_envs, "seed": Text("run.seed")}
    if entry.env_wrapper:
        more["wrapper_class"] = Text("wrapped")
    if entry.monitor_kwargs:
        more["monitor_kwargs"] = entry.monitor_kwargs
    make_vec_env = text.class_("stable_baselines3.common.env_util", "make_vec_env")
    lines = [f"    env = {text.call(make_vec_env, [f'lambda: {make}'], more, 1)}"]
    layers = [(text.class_(one.module, one.name), one.arguments) for one in entry.vec_env_wrapper]
    if entry.normalize is not None:
        layers.append((text.class_(_VEC_ENV, "VecNormalize"), entry.normalize))
    if entry.frame_stack is not None:
        layers.append((text.class_(_VEC_ENV, "VecFrameStack"), {"n_stack": entry.frame_stack}))
    return [*lines, *(f"    env = {text.call(name, ['env'], arguments, 1)}" for name, arguments in layers)]


def _wrapping(entry: ZooEntry, text: PythonText) -> str:
    """A function that adds the wrappers of each environment; empty without any."""
    if not entry.env_wrapper:
        return ""
    lines = [
        f"    env = {text.call(text.class_(one.module, one.name), ['env'], one.arguments, 1)}"
        for one in entry.env_wrapper
    ]
    return "\n".join(["def wrapped(env):", *lines, "    return env", "", "", ""])


def _noise(entry: ZooEntry, text: PythonText) -> list[str]:
    if entry.noise is None:
        return []
    name = text.class_(_NOISE, _NOISES[entry.noise.kind])
    return [
        "    n_actions = env.action_space.shape[0]",
        f"    noise = {name}(np.zeros(n_actions), {entry.noise.sigma!r} * np.ones(n_actions))",
    ]


def _model(entry: ZooEntry, text: PythonText) -> list[str]:
    arguments: dict[str, Any] = {**entry.arguments}
    if entry.noise is not None:
        arguments["action_noise"] = Text("noise")
    arguments |= {"seed": Text("run.seed"), "device": Text("run.device")}
    kind = text.class_(entry.algorithm.library, entry.algorithm.name)
    model = text.call(kind, [text.value(entry.policy), "env"], arguments, 2)
    callbacks = [text.call(text.class_(one.module, one.name), [], one.arguments, 2) for one in entry.callbacks]
    given = joined("[", [*callbacks, "run.callback"], "]", 2) if callbacks else "run.callback"
    more = {"callback": Text(given), "reset_num_timesteps": False}
    return [
        "    model = run.sb3(",
        f"        lambda: {model}",
        "    )",
        f"    {text.call('model.learn', ['run.remaining'], more, 1)}",
    ]
