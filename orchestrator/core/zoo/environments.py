"""Which libraries an environment needs, from its id alone; for ids of RL Zoo and of common packages.

Sources: `rl_zoo3/import_envs.py` for the packages that RL Zoo imports; the registrations of gymnasium and of each
package for their ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """Environments of one package.

    Attributes:
        ids: Pattern of their ids.
        registers: Module whose import registers them; empty for gymnasium itself.
        libraries: Modules that they need beyond gymnasium.
        pip: Words for `pip install`; empty if no package index has them.
    """

    ids: str
    registers: str
    libraries: tuple[str, ...]
    pip: tuple[str, ...]


_MUJOCO = "Ant|HalfCheetah|Hopper|Humanoid|HumanoidStandup|Inverted(Double)?Pendulum|Pusher|Reacher|Swimmer|Walker2d"
_ROBOTICS = "Fetch(Reach|Push|Slide|PickAndPlace)|Hand(Reach|Manipulate)|AdroitHand|(Point|Ant)Maze_|FrankaKitchen"
_HIGHWAY = "highway|merge|roundabout|parking|intersection|racetrack|exit|u-turn|two-way|[a-z]+-keeping"

_FAMILIES = (
    Family(rf"({_MUJOCO})-v\d+", "", ("mujoco",), ("gymnasium[mujoco]",)),
    Family(r"(LunarLander(Continuous)?|BipedalWalker(Hardcore)?)-v\d+", "", ("Box2D",), ("gymnasium[box2d]",)),
    Family(r"\w+Racing-v\d+", "", ("Box2D", "pygame"), ("gymnasium[box2d]",)),
    Family(r"ALE/.+|\w+(NoFrameskip|Deterministic)-v\d+", "ale_py", ("ale_py",), ("ale-py",)),
    Family(r"(MiniGrid|BabyAI)-.+", "minigrid", ("minigrid",), ("minigrid",)),
    Family(rf"({_HIGHWAY})(-[\w-]+)?-v\d+", "highway_env", ("highway_env",), ("highway-env",)),
    Family(rf"({_ROBOTICS}).*", "gymnasium_robotics", ("gymnasium_robotics",), ("gymnasium-robotics",)),
    Family(r"Panda\w+-v\d+", "panda_gym", ("panda_gym",), ("panda-gym",)),
    Family(
        *(r"\w+Bullet(Duck)?Env-v\d+", "pybullet_envs_gymnasium", ("pybullet_envs_gymnasium",)),
        ("pybullet_envs_gymnasium",),
    ),
    Family(r"\w+NoVel-v\d+", "rl_zoo3.import_envs", ("rl_zoo3",), ("rl_zoo3",)),
    Family(r"donkey-.+", "gym_donkeycar", ("gym_donkeycar",), ("gym-donkeycar",)),
    Family(r"RocketLander-v\d+", "rocket_lander_gym", ("rocket_lander_gym",), ()),
)

_ATARI = re.compile(r"ALE/.+|\w+NoFrameskip-v\d+", re.ASCII)

_DISTRIBUTIONS = {
    **{name: words[0] for one in _FAMILIES if (words := one.pip) for name in one.libraries},
    "cv2": "opencv-python-headless",
    "stable_baselines3": "stable-baselines3",
    "sb3_contrib": "sb3-contrib",
    "gymnasium": "gymnasium",
    "torch": "torch",
}
"""Module -> word for `pip install`."""


def family_of(env: str) -> Family | None:
    """The package of an environment; None for classic control, toy text, and ids that are not known here."""
    return next((one for one in _FAMILIES if re.fullmatch(one.ids, env, re.ASCII)), None)


def is_atari(env: str) -> bool:
    """Whether RL Zoo uses its entry `atari` for an environment without its own."""
    return _ATARI.fullmatch(env) is not None


def pip_words(module: str) -> tuple[str, ...]:
    """What to install for a module; empty if that is not known here."""
    word = _DISTRIBUTIONS.get(module.partition(".")[0])
    return (word,) if word else ()
