"""Each rule for a library's environments: with it a restored copy continues exactly, without it it does not."""

from __future__ import annotations

import itertools
import re
import zlib
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from stable_baselines3.common.atari_wrappers import AtariWrapper

from orchestrator.kernel.training.kept_state.check.step_and_compare import check_environment
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.rules import ale, box2d, mujoco, registry
from orchestrator.kernel.training.kept_state.rules.recording import Recorder
from orchestrator.kernel.training.kept_state.watching import watch
from tests.unit.kernel.training.environments import begun, made, restored, saved, stepped

MUJOCO = (
    *("Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum", "InvertedPendulum"),
    *("Pusher", "Reacher", "Swimmer", "Walker2d"),
)
GAMES = ("ALE/Breakout-v5", "ALE/Pong-v5", "ALE/MsPacman-v5", "BreakoutNoFrameskip-v4")
LANDERS: dict[str, dict[str, Any]] = {
    "discrete": {},
    "continuous": {"continuous": True},
    "wind": {"enable_wind": True, "continuous": True},
}


def continues(env: Any, fresh: Any, steps: int = 60) -> bool:
    """Whether a fresh copy, restored from an environment, takes the same further steps."""
    assert restored(env, fresh) == []
    return stepped(fresh, steps) == stepped(env, steps)


@pytest.mark.parametrize("name", MUJOCO)
def test_mujoco_continues(name: str) -> None:
    assert continues(begun(made(f"{name}-v5"), 37), made(f"{name}-v5"))


@pytest.mark.parametrize("name", ["Ant-v5", "Humanoid-v5"])
def test_mujoco_needs_the_arrays_that_lag_behind(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The integration state alone is not enough."""
    monkeypatch.setattr(mujoco, "_filled", lambda mujoco, model: ())
    env, fresh = begun(made(name), 37), made(name)
    assert restored(env, fresh) == [] and stepped(fresh, 30) != stepped(env, 30)


def test_changes_of_a_mujoco_model_are_kept() -> None:
    """Domain randomization changes the model; a checkpoint holds only what it changed."""
    env, fresh = begun(made("Hopper-v5"), 11), made("Hopper-v5")
    small = sum(map(len, saved(env)[1]))
    env.unwrapped.model.body_mass[1] *= 1.5
    env.unwrapped.model.opt.gravity[2], env.unwrapped.model.opt.timestep = -5.0, 0.003
    assert sum(map(len, saved(env)[1])) < small + 200
    assert continues(env, fresh) and fresh.unwrapped.model.opt.timestep == 0.003
    fresh.unwrapped.model.body_mass[0] = 9.0  # changed before the resume
    assert continues(begun(made("Hopper-v5"), 11), fresh)
    other = made("Ant-v5").unwrapped
    with pytest.raises(ValueError, match="the simulation of another MuJoCo model"):
        mujoco.MjDataRule().load(other.data, mujoco.MjDataRule().save(env.unwrapped.data))
    with pytest.raises(ValueError, match="built with other numbers"):
        mujoco.MjModelRule().load(other.model, mujoco.MjModelRule().save(env.unwrapped.model))


def test_numpy_views_of_the_simulation_stay_views() -> None:
    """Arrays over memory of another library are written in place."""
    env, fresh = begun(made("Hopper-v5"), 11), made("Hopper-v5")
    env.unwrapped.place, fresh.unwrapped.place = env.unwrapped.data.qpos, fresh.unwrapped.data.qpos
    assert restored(env, fresh) == []
    stepped(fresh, 3)
    assert fresh.unwrapped.place.tobytes() == fresh.unwrapped.data.qpos.tobytes()


@pytest.mark.parametrize("name", GAMES)
def test_atari_continues(name: str) -> None:
    assert continues(begun(made(name), 73), made(name))


def test_atari_with_the_wrappers_of_both_libraries_continues() -> None:
    def build() -> Any:
        env = wrappers.FrameStackObservation(AtariWrapper(made("BreakoutNoFrameskip-v4", watched=False)), 4)
        watch(env)
        return env

    assert continues(begun(build(), 40), build())


def _goes_wrong(restores: int, *, compare: bool = True) -> bool:
    """Whether after one of some restores the next frames differ; the last action is not the register's usual one."""
    arguments = {"repeat_action_probability": 0.6, "frameskip": 1}
    env, fresh = (begun(made("ALE/Breakout-v5", **arguments), 0) for _ in range(2))
    for _ in range(restores):
        stepped(env, 11, actions=[*([3] * 10), 2])
        node, buffers, _ = saved(env)
        Decoder(buffers).part(node, 0, fresh)
        assert not compare or saved(fresh)[:2] == (node, buffers)
        if stepped(fresh, 6, actions=[0] * 6) != stepped(env, 6, actions=[0] * 6):
            return True
    return False


def test_register_of_sticky_actions_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _goes_wrong(12)
    monkeypatch.setattr(ale.RecordedAle, "repeat", lambda self, recorded: None)
    assert _goes_wrong(60, compare=False)


def test_picture_that_a_game_does_not_draw_whole_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    game = "QbertNoFrameskip-v4"
    assert check_environment(made(game), lambda: 0.0).lost == []

    def noted_only(self: ale.RecordedAle, recorded: list[Any]) -> None:
        older, newer = ((ale._state(zlib.decompress(state)), list(actions)) for state, actions in recorded)
        self._older, self._newer = older, newer

    monkeypatch.setattr(ale.RecordedAle, "repeat", noted_only)
    assert "the observation differs" in check_environment(made(game), lambda: 0.0).lost[0]


def test_checkpoint_without_recorded_actions_is_restored_if_none_are_sticky() -> None:
    env, fresh = begun(made("PongNoFrameskip-v4", watched=False), 40), made("PongNoFrameskip-v4")
    node, buffers, lost = saved(env)
    Decoder(buffers).part(node, 0, fresh)
    assert lost == [] and stepped(fresh, 9, actions=[2] * 9) == stepped(env, 9, actions=[2] * 9)
    assert continues(fresh, made("PongNoFrameskip-v4"))


def test_sticky_actions_that_were_not_recorded_are_named() -> None:
    lost = saved(begun(made("ALE/Pong-v5", watched=False), 5))[2]
    assert len(lost) == 1 and lost[0].endswith(
        "ale: its sticky actions were not recorded; name the environment before its first step"
    )
    assert saved(begun(made("PongNoFrameskip-v4", watched=False), 5))[2] == []


@pytest.mark.parametrize("kind", LANDERS)
def test_lunar_lander_continues(kind: str) -> None:
    env = begun(made("LunarLander-v3", **LANDERS[kind]), 150)  # in the second episode
    assert continues(env, made("LunarLander-v3", **LANDERS[kind]), 120)


@pytest.mark.parametrize("steps", [0, 30])
def test_environment_continues_before_and_after_its_first_reset(steps: int) -> None:
    env, fresh = made("LunarLander-v3"), made("LunarLander-v3")
    if steps:
        begun(env, steps)
    else:
        env.action_space.seed(4)
    assert restored(env, fresh) == []
    if not steps:
        assert env.reset(seed=5)[0].tobytes() == fresh.reset(seed=5)[0].tobytes()
    assert stepped(fresh, 60) == stepped(env, 60)


def test_unseeded_first_reset_is_repeated_too() -> None:
    env, fresh = made("LunarLander-v3"), made("LunarLander-v3")
    env.action_space.seed(4)
    env.reset()
    stepped(env, 20)
    assert continues(env, fresh)


def test_same_copy_is_restored_twice() -> None:
    """A resume of stable-baselines3 restores at its start and again at the first boundary."""
    for name in ("LunarLander-v3", "BipedalWalker-v3"):
        env, fresh = begun(made(name), 30), made(name)
        restored(env, fresh)
        stepped(fresh, 20)
        fresh.reset(seed=8)
        assert continues(env, fresh)


def _walker(steps: int = 25) -> Any:
    """A walker in its third episode."""
    env = begun(made("BipedalWalker-v3"), 40)
    for _ in range(2):
        env.reset()
        stepped(env, steps)
    return env


def test_bipedal_walker_continues_in_a_later_episode() -> None:
    assert continues(_walker(), made("BipedalWalker-v3"), 150)


def test_bipedal_walker_needs_a_new_world_for_each_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box2d, "_OF_GYMNASIUM", "nothing")
    differs = False
    for steps in (25, 60, 120):
        env, fresh = _walker(steps), made("BipedalWalker-v3")
        restored(env, fresh)
        differs |= stepped(fresh, 150) != stepped(env, 150)
    assert differs


def test_car_racing_continues() -> None:
    env = begun(made("CarRacing-v3"), 6)
    env.reset()
    stepped(env, 5)
    assert continues(env, made("CarRacing-v3"), 6)


@pytest.mark.parametrize(("part", "empty"), [(3, []), (2, {})], ids=["actions", "arguments of the reset"])
def test_replay_needs_each_part_of_the_record(part: int, empty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    env, fresh = begun(made("LunarLander-v3"), 30), made("LunarLander-v3")
    env.reset(seed=9)
    stepped(env, 9)
    whole = Recorder.record
    monkeypatch.setattr(Recorder, "record", lambda self: [*whole(self)[:part], empty, *whole(self)[part + 1 :]])
    node, buffers, _ = saved(env)
    monkeypatch.undo()
    Decoder(buffers).part(node, 0, fresh)
    assert stepped(fresh, 60) != stepped(env, 60)


def test_replay_needs_the_state_before_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    env, fresh = begun(made("LunarLander-v3"), 120), made("LunarLander-v3")
    env.reset()
    stepped(env, 9)
    monkeypatch.setattr(fresh.unwrapped.__dict__["step"].recorder, "_restore", lambda env, snapshot: None)
    node, buffers, _ = saved(env)
    Decoder(buffers).part(node, 0, fresh)
    assert stepped(fresh, 60) != stepped(env, 60)


def test_episode_that_was_not_recorded_is_named() -> None:
    env = begun(made("LunarLander-v3", watched=False), 5)
    assert [one.partition(": ")[2] for one in saved(env)[2]] == [
        "its steps are not recorded; name the environment before its first reset"
    ]
    watch(env)
    assert [one.partition(": ")[2] for one in saved(env)[2]] == [
        "its episode began before it was recorded; name the environment before its first reset"
    ]
    env.reset(seed=4)
    assert saved(env)[2] == []


@pytest.mark.parametrize("name", ["Taxi-v4", "FrozenLake8x8-v1"])
def test_large_tables_are_a_digest(name: str) -> None:
    env, whole = begun(made(name), 37), begun(made(name, watched=False), 37)
    size = len(repr(saved(env)[0]))
    assert len(repr(saved(whole)[0])) > (10 * size if name == "Taxi-v4" else size)
    assert continues(env, made(name))
    table = env.unwrapped.P
    table[0][0] = [(1.0, 0, -7.0, False)]  # a table that has changed is kept as a whole
    fresh = made(name)
    assert continues(env, fresh) and fresh.unwrapped.P[0][0] == table[0][0]


def test_a_table_that_changed_after_the_save_is_restored() -> None:
    env, fresh = begun(made("Taxi-v4"), 37), made("Taxi-v4")
    fresh.unwrapped.P[0][0] = []
    assert continues(env, fresh) and fresh.unwrapped.P == env.unwrapped.P


def test_spaces_of_pictures_are_a_digest_and_hold_nothing_of_ours() -> None:
    env = made("ALE/Pong-v5")
    assert sum(map(len, saved(env)[1])) < 40_000 < env.observation_space.low.nbytes
    assert not [name for name in vars(env.observation_space) if "orchestrator" in name]


@pytest.mark.parametrize("name", ["MiniGrid-DoorKey-5x5-v0", "BabyAI-GoToRedBall-v0", "MountainCarContinuous-v0"])
def test_environments_in_python_need_no_rule(name: str) -> None:
    assert continues(begun(made(name), 37), made(name))


def test_highway_is_kept_but_named_as_inexact() -> None:
    env, fresh = begun(made("highway-fast-v0"), 3), made("highway-fast-v0")
    (lost,) = restored(env, fresh)
    assert lost.endswith("highway-env builds its spaces again at each reset, with random seeds of the operating system")
    for action in (1, 1, 1):
        seen, again = env.step(action), fresh.step(action)
        assert repr(again) == repr(seen)
        if seen[2]:  # a reset draws from the spaces that were built with another seed
            break


class Ticker:
    """An engine that hides its state, as one written in C does."""

    def __init__(self) -> None:
        self._hidden = itertools.count()

    def tick(self) -> int:
        return next(self._hidden)


class Ticking(gymnasium.Env[Any, Any]):
    observation_space = gymnasium.spaces.Box(0, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self.engine = Ticker()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1), {}

    def step(self, action: Any) -> Any:
        return np.array([self.engine.tick() % 7 / 7], np.float32), 0.0, False, False, {}


class TickerRule:
    def claims(self, value: Any) -> bool:
        return isinstance(value, Ticker)

    def save(self, value: Ticker) -> Any:
        return {"ticks": value._hidden.__reduce__()[1][0]}

    def load(self, value: Ticker, state: Any) -> None:
        value._hidden = itertools.count(state["ticks"])


def test_a_rule_of_a_user_comes_first() -> None:
    rule = TickerRule()
    env = Ticking()
    assert "hides its state" in saved(env)[2][0]
    registry.add_rule(rule)
    try:
        assert continues(begun(env, 5), Ticking())
    finally:
        registry.remove_rule(rule)
    assert registry.rule_of(env.engine) is None


class ReplayTicking:
    replays = True

    def claims(self, value: Any) -> bool:
        return isinstance(value, Rewinding)


class Rewinding(Ticking):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.engine = Ticker()
        return super().reset(seed=seed)


def test_a_rule_of_a_user_may_replay() -> None:
    rule = ReplayTicking()
    registry.add_rule(rule)
    try:
        env, fresh = Rewinding(), Rewinding()
        watch(env)
        watch(fresh)
        assert continues(begun(env, 5), fresh)
    finally:
        registry.remove_rule(rule)


@pytest.mark.parametrize(
    ("rule", "named"), [(TickerRule, "not the class"), (object(), r"no claims\(\)"), (None, r"no claims\(\)")]
)
def test_what_is_no_rule_is_refused(rule: Any, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        registry.add_rule(rule)


def _names(pattern: str) -> list[str]:
    found = (name for name, spec in gymnasium.registry.items() if re.search(pattern, str(spec.entry_point)))
    return sorted(name for name in found if "-WFC-" not in name)  # those need files that are not in the package


@pytest.mark.prove
@pytest.mark.parametrize(
    "pattern", ["classic_control", "toy_text", r"minigrid\.envs:", r"minigrid\.envs\.babyai"], ids=lambda one: one
)
def test_every_environment_of_a_family_continues(pattern: str) -> None:
    names = _names(pattern)
    assert len(names) >= 6
    assert [name for name in names if not continues(begun(made(name), 25), made(name), 40)] == []


@pytest.mark.prove
@pytest.mark.parametrize("name", MUJOCO)
def test_mujoco_continues_for_long(name: str) -> None:
    assert continues(begun(made(f"{name}-v5"), 300), made(f"{name}-v5"), 300)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(4))
def test_box2d_continues_in_many_episodes(seed: int) -> None:
    for name, steps in (("LunarLander-v3", 700), ("BipedalWalker-v3", 900), ("BipedalWalkerHardcore-v3", 500)):
        assert continues(begun(made(name), steps, seed=seed), made(name), 600)
