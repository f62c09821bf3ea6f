"""Whether an environment exists on this computer, as gymnasium itself answers in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.core.zoo.environments import family_of, pip_words
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import TEXT, TEXTS, fields, fits, one_of

_ROOT = Path(__file__).resolve().parents[3]
_PROBE = "orchestrator.sb3.envs.probe"
_ANSWER = fields({"found": one_of(("yes", "no", "broken"))}, {"why": TEXT, "near": TEXTS, "actions": TEXT}, others=True)
_LIMIT_S = 120.0
"""Longest duration of the process. The slowest package, with torch, takes some 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCheck:
    """What is known of an environment.

    Attributes:
        found: `yes`, `no`, `broken` if it exists and cannot be built here, `unknown` if it could not be checked.
        why: Cause of anything but `yes`.
        near: Ids that may be meant instead.
        actions: `discrete`, `continuous` or `other`; empty unless it was built.
        lacking: Modules that it needs and that are not installed here.
    """

    found: Literal["yes", "no", "broken", "unknown"]
    why: str = ""
    near: tuple[str, ...] = ()
    actions: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def pip(self) -> str:
        """The command that installs what is lacking; empty if it is not known."""
        return install_command(self.lacking)


def install_command(modules: Sequence[str]) -> str:
    """The pip command that installs modules; empty if one of them is in no package index."""
    words = [pip_words(one) for one in modules]
    quoted = dict.fromkeys(f'"{word}"' if "[" in word else word for some in words for word in some)
    return f"python -m pip install {' '.join(quoted)}" if words and all(words) else ""


def is_installed(module: str) -> bool:
    """Whether a module's package can be imported here; nothing is imported."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):  # a broken package, or `__main__`
        return False


def check_environment(env: str) -> EnvironmentCheck:
    """Whether gymnasium can build an environment here.

    Args:
        env: Its id, without a module before it.
    """
    family = family_of(env)
    needed = ("gymnasium", *(family.libraries if family else ()))
    lacking = tuple(one for one in needed if not is_installed(one))
    if lacking:
        return EnvironmentCheck(found="unknown", why=f"{lacking[0]} is not installed here", lacking=lacking)
    answer = _asked(env, [family.registers] if family and family.registers else _REGISTERING)
    if answer is None:
        return EnvironmentCheck(found="unknown", why="gymnasium gave no answer")
    return EnvironmentCheck(
        found=answer["found"],
        why=answer.get("why", ""),
        near=tuple(answer.get("near", ())),
        actions=answer.get("actions", ""),
    )


_REGISTERING = ("ale_py", "minigrid", "highway_env", "gymnasium_robotics", "panda_gym", "pybullet_envs_gymnasium")
"""Packages of environments: an id that matches none of them may still be a misspelled one of theirs."""


def _asked(env: str, modules: Sequence[str]) -> Mapping[str, Any] | None:
    """The answer of gymnasium, None without one."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as scratch:  # MuJoCo writes its log into the current folder
        try:
            done = subprocess.run(
                [sys.executable, "-m", _PROBE, env, *modules],
                cwd=scratch,
                env={**os.environ, "PYTHONPATH": path, "PYGAME_HIDE_SUPPORT_PROMPT": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = read_json(lines[-1]) if done.returncode == 0 and lines else None
    except Unreadable:
        return None
    return answer if fits(_ANSWER, answer) else None
