"""The lines that a script needs to be resumed, for a user who has not written them yet."""

from __future__ import annotations

_OPEN = ("import orchestrator", "with orchestrator.session(target={target}, seed=3) as run:")
_LOOP = (
    "    state = run.keep(weights=weights, rng=rng)   # whatever the training changes",
    "    for step in run.steps():",
    "        ...                                      # one step of the training",
)
_SB3 = (
    '    model = run.sb3(lambda: PPO("MlpPolicy", env, seed=run.seed))',
    "    model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)",
)


def session_lines(*, sb3: bool) -> tuple[str, ...]:
    """The lines around a training.

    Args:
        sb3: Whether stable-baselines3 trains; otherwise a loop of the script.
    """
    target = "20_000" if sb3 else "1000"
    return (*(line.format(target=target) for line in _OPEN), *(_SB3 if sb3 else _LOOP))
