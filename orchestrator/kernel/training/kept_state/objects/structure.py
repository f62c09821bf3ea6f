"""Attributes and objects that are not state, or whose state is outside this process, by class name."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of

NOT_STATE: Mapping[str, frozenset[str]] = {
    "gymnasium.core.Env": frozenset({"spec"}),
    "gymnasium.core.Wrapper": frozenset({"spec", "_cached_spec", "_saved_kwargs"}),
    "gymnasium.wrappers.common.RecordEpisodeStatistics": frozenset({"episode_start_time", "time_queue"}),
    "gymnasium.vector.vector_env.VectorEnv": frozenset({"spec", "_saved_kwargs"}),
    "gymnasium.vector.sync_vector_env.SyncVectorEnv": frozenset({"env_fns"}),
    "gymnasium.wrappers.vector.common.RecordEpisodeStatistics": frozenset({"episode_start_times", "time_queue"}),
    "stable_baselines3.common.monitor.Monitor": frozenset({"t_start", "episode_times"}),
    "stable_baselines3.common.vec_env.base_vec_env.VecEnvWrapper": frozenset({"class_attributes"}),
    "stable_baselines3.common.vec_env.dummy_vec_env.DummyVecEnv": frozenset({"buf_infos"}),
    "stable_baselines3.common.vec_env.vec_monitor.VecMonitor": frozenset({"t_start"}),
    "stable_baselines3.common.callbacks.BaseCallback": frozenset({"locals", "globals"}),
}
"""Attributes that hold structure or wall time, by class. The code builds the structure again."""

_FRESH = (
    *("pygame", "gymnasium.envs.mujoco.mujoco_rendering", "mujoco.renderer", "mujoco._render"),
    *("_csv", "orchestrator.kernel.training", "orchestrator.kernel.session"),
)
"""Modules whose objects only draw, play or format, or are this session itself; a new process has its own."""

_OUTSIDE: Mapping[str, str] = {
    "gymnasium.vector.async_vector_env:AsyncVectorEnv": "its environments are in other processes; use SyncVectorEnv",
}
_OUTSIDE_MODULES = (
    "multiprocessing",
    "subprocess",
    "threading",
    "concurrent",
    "asyncio",
    "socket",
    "selectors",
    "ctypes",
    "Box2D",
)
"""Modules of Python classes that stand for something outside of Python: processes, threads, connections, C objects."""

_INEXACT: Mapping[str, str] = {
    "highway_env.envs.common.abstract:AbstractEnv": "highway-env builds its spaces again at each reset, with random "
    "seeds of the operating system",
}
"""Classes of environments that no restored state makes exact, with the reason."""


def is_fresh(kind: type) -> bool:
    """Whether a new process has its own object of this class, and nothing of it is state."""
    return _is_below(module_of(kind), _FRESH)


def outside_reason(kind: type) -> str | None:
    """Why the state of a class's objects is outside this process, None if it is inside."""
    for one in kind.__mro__:
        if reason := _OUTSIDE.get(class_name(one)):
            return reason
        if _is_below(module_of(one), _OUTSIDE_MODULES):
            return f"an object of {class_name(one)}, whose state is outside of Python"
    return None


def inexact_reason(kind: type) -> str | None:
    """Why a resume with an environment of this class is not exact, None for other classes."""
    return next((_INEXACT[name] for name in map(class_name, kind.__mro__) if name in _INEXACT), None)


def _is_below(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)
