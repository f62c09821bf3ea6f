"""Values of an entry that the library refuses together, when it builds or trains the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core.zoo.entry import Path


def refused_together(n_envs: int, arguments: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Place and reason of each.

    Args:
        n_envs: Environments stepped together.
        arguments: Of the algorithm, as they were read.

    Source: `OffPolicyAlgorithm.collect_rollouts` and `ReplayBuffer` of stable-baselines3, `ARS` of sb3-contrib.
    """
    frequency = arguments.get("train_freq")
    if isinstance(frequency, tuple) and frequency[1] == "episode" and n_envs > 1:
        yield ("train_freq",), f"in episodes it needs n_envs: 1, not {n_envs}"
    more = arguments.get("replay_buffer_kwargs") or {}
    if arguments.get("optimize_memory_usage") and more.get("handle_timeout_termination", True):
        yield (
            ("optimize_memory_usage",),
            'it needs replay_buffer_kwargs: "dict(handle_timeout_termination=False)"',
        )
    top, candidates = arguments.get("n_top"), arguments.get("n_delta")
    if top is not None and candidates is not None and top > candidates:
        yield ("n_top",), f"it must not exceed n_delta = {candidates}, not {top}"
