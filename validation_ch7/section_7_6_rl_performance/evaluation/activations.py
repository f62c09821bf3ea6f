"""Records what the hidden layers of a policy's network answer while it decides, for every policy of stable-baselines3.

Only the modules that compute the action run in `predict`, so a value network is never recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from torch import nn
from torch.nn.modules import activation

from validation_ch7.traffic.model.arz import Floats

_HIDDEN = tuple(
    kind
    for name in activation.__all__
    if name not in ("MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax")
    for kind in (getattr(activation, name),)
)
"""Activations of torch that act on each unit by itself."""


class Activations:
    """The input and the activations of each decision so far.

    Attributes:
        inputs: What the network's first layer got, one array of shape (batch, features) for each decision.
        layers: Name of a hidden layer -> its activations, one array of shape (batch, units) for each decision. An
            activation with no layer with weights after it only limits the output, and is none.
    """

    def __init__(self) -> None:
        self.inputs: list[Floats] = []
        self.layers: dict[str, list[Floats]] = {}
        self._run: list[tuple[str, nn.Module, Any, Any]] = []

    @contextmanager
    def recording(self, policy: BasePolicy) -> Iterator[None]:
        """Record the decisions of this policy within the block."""
        handles = [
            module.register_forward_hook(self._hook(name))
            for name, module in policy.named_modules()
            if not any(True for _ in module.children())
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def next_decision(self, batch: int) -> None:
        """Keep what ran since the last call as one decision on `batch` observations."""
        run, self._run = self._run, []
        weighted = [place for place, (_, module, _, _) in enumerate(run) if _has_weights(module)]
        if not weighted:
            return
        seen = next((one for _, _, arguments, _ in run for one in arguments if _is_batch(one, batch)), None)
        if seen is not None:
            self.inputs.append(_rows(seen, batch))
        uses: Counter[str] = Counter()  # a module may be used for several layers
        for place, (name, module, _, answer) in enumerate(run):
            if isinstance(module, _HIDDEN) and place < weighted[-1] and _is_batch(answer, batch):
                uses[name] += 1
                label = f"{name} ({type(module).__name__})" + (f", use {uses[name]}" if uses[name] > 1 else "")
                self.layers.setdefault(label, []).append(_rows(answer, batch))

    def _hook(self, name: str) -> Any:
        def keep(module: nn.Module, arguments: Any, answer: Any) -> None:
            self._run.append((name, module, arguments, answer))

        return keep


def _has_weights(module: nn.Module) -> bool:
    return not isinstance(module, _HIDDEN) and any(True for _ in module.parameters(recurse=False))


def _is_batch(value: Any, batch: int) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() > 0 and value.shape[:1] == (batch,)


def _rows(tensor: torch.Tensor, batch: int) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64).reshape(batch, -1)
