"""One number for what was learned: two policies with the same digest act the same, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch


def tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hex sha256 over sorted names, dtypes, shapes and bytes of tensors, wherever they live."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def policy_digest(policy: torch.nn.Module) -> str:
    """Hex sha256 of all parameters and buffers of a policy, its target network included."""
    return tensors_digest(policy.state_dict())


def first_non_finite(policy: torch.nn.Module) -> str | None:
    """Name of a parameter that holds NaN or an infinity, None when all numbers are sound."""
    for name, tensor in policy.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return name
    return None
