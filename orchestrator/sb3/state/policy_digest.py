"""Digest of a policy: two policies with the same digest act identically, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch


def tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hex sha256 over sorted names, dtypes, shapes and bytes of tensors on any device."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def policy_digest(policy: torch.nn.Module) -> str:
    """Hex sha256 of all parameters and buffers of a policy, its target network included."""
    return tensors_digest(policy.state_dict())
