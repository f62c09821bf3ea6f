"""Entries of RL Zoo, trained by the scripts that `init --zoo` writes: cut and resumed, they end with the same bytes."""

from __future__ import annotations

import dataclasses
import importlib.util
import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest
from test_script import cards, end_of

from orchestrator.core.zoo.environments import family_of
from orchestrator.core.zoo.reading import read_entry
from orchestrator.sb3.state.npz_tree import same_state
from orchestrator.stores.scaffold.zoo_script import ZooTraining, zoo_script
from orchestrator.stores.zoo.hyperparameter_file import choose_entry, read_zoo_file
from tests.conftest import PROJECT_ROOT

FILES = PROJECT_ROOT / "tests/fixtures/rl_zoo"
FAST = [
    ("ppo", "CartPole-v1"),
    ("a2c", "Pendulum-v1"),
    ("dqn", "CartPole-v1"),
    ("td3", "MountainCarContinuous-v0"),
    ("ppo", "MiniGrid-Empty-Random-5x5-v0"),
]
"""One for each of: falling rates, gSDE with normalization, replay, noise, a wrapper."""
GAMES = {"atari": "ALE/Breakout-v5"}
UNCUT = ("parking-v0",)
"""highway-env builds its spaces at each reset, with entropy of the operating system: no resume can be exact."""
TARGET, CUTS = 240, (70, 150)
CANDIDATES = {"CartPole-v1": 1000, "Pendulum-v1": 400, "MountainCarContinuous-v0": 1998, "Swimmer-v4": 2000}
"""Environment -> most steps of the two episodes of one update of ARS."""

SMALL: dict[str, Any] = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "buffer_size": 300,
    "learning_starts": 40,
    "target_update_interval": 50,
    "n_critic_updates": 2,
    "n_delta": 1,
    "n_top": 1,
}
SMALL_POLICY = {"lstm_hidden_size": 4, "n_quantiles": 5}


def small(stem: str, env: str) -> ZooTraining:
    """The training of an entry with small numbers in place of its large ones."""
    file = read_zoo_file(FILES / f"{stem}.yml", None)
    plain = dict(file.entries[env])
    entry = choose_entry(file, GAMES.get(env, env), exists=True).entry
    plain |= {key: value for key, value in SMALL.items() if key in plain and key in entry.arguments}
    plain |= {key: 4 for key in ("train_freq", "gradient_steps") if plain.get(key, 1) not in (1, -1, [1, "episode"])}
    if entry.algorithm.name in ("PPO", "RecurrentPPO", "TRPO", "MaskablePPO"):
        plain |= {"n_steps": 16, "batch_size": 16}
    if "buffer_size" in entry.algorithm.arguments:
        starts = 110 if "replay_buffer_class" in entry.arguments else 40  # hindsight needs a whole episode
        plain |= {"buffer_size": 300, "learning_starts": starts, "batch_size": 16}
    policy = dict(entry.arguments.get("policy_kwargs") or {})
    if "net_arch" in policy:
        old = policy["net_arch"]
        policy["net_arch"] = {name: [8] for name in old} if isinstance(old, dict) else [8]
    policy |= {key: value for key, value in SMALL_POLICY.items() if key in policy}
    target = 3 * CANDIDATES[env] + 1 if stem == "ars" else TARGET
    plain |= {"n_envs": min(entry.n_envs, 2), "n_timesteps": target}
    shrunk = read_entry({key: value for key, value in plain.items() if key != "policy_kwargs"}, entry.algorithm)
    arguments = {**shrunk.arguments, **({"policy_kwargs": policy} if policy else {})}
    return ZooTraining(env=GAMES.get(env, env), entry=dataclasses.replace(shrunk, arguments=arguments), source=stem)


def installed(stem: str, env: str) -> bool:
    entry = choose_entry(read_zoo_file(FILES / f"{stem}.yml", None), GAMES.get(env, env), exists=True).entry
    modules = ZooTraining(env=GAMES.get(env, env), entry=entry, source="").libraries
    return all(importlib.util.find_spec(one) for one in modules)


def opaque(env: str) -> bool:
    """Whether an environment hides its state in another language, so that a checkpoint may have to name it as lost."""
    family = family_of(GAMES.get(env, env))
    return family is not None and bool({"mujoco", "Box2D", "ale_py", "highway_env"} & set(family.libraries))


def run_script(script: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> int:
    """Run a script in this process; returns its exit code."""
    monkeypatch.setenv("ORCHESTRATOR_FOLDER", str(folder))
    monkeypatch.setenv("ORCHESTRATOR_SAVE_EVERY", "60")
    monkeypatch.setenv("ORCHESTRATOR_DEVICE", "cpu")
    monkeypatch.setenv("ORCHESTRATOR_STOP_AT_STEPS", "" if stop_at is None else str(stop_at))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries, about versions and devices
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def entries() -> list[tuple[str, str]]:
    found = []
    for path in sorted(FILES.glob("*.yml")):
        names = [name for name in read_zoo_file(path, None).entries if name != "default"]
        found += [(path.stem, name) for name in names if installed(path.stem, name)]
    return found


@pytest.mark.parametrize(
    ("stem", "env"), [pytest.param(*one, marks=() if one in FAST else pytest.mark.prove) for one in entries()]
)
def test_an_entry_is_trained_cut_and_resumed_exactly(
    stem: str, env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script, cuts = tmp_path / "train.py", CUTS
    script.write_bytes(zoo_script(small(stem, env)))
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    assert run_script(script, straight, monkeypatch, None) == 0
    if env in UNCUT:
        return
    if stem == "ars":
        cuts = (1, CANDIDATES[env] + 1)
    assert [run_script(script, cut, monkeypatch, at) for at in (*cuts, None)] == [75, 75, 0]
    card = cards(cut)
    lost = card["identity"]["lost_state"]
    if lost:
        assert opaque(env), lost
        assert "statistical" in {ancestor["continued"] for ancestor in card["ancestry"]}
        return
    one, other = end_of(straight), end_of(cut)
    assert same_state(one[0], other[0]) and one[1:] == other[1:]
