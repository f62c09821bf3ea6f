"""The model zip: plain Stable-Baselines3, loadable without this project; equal models give equal bytes."""

from __future__ import annotations

import hashlib
import io
import pickle  # only for the class of an error
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.algorithms.registry import REGISTRY
from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics
from orchestrator.kernel.files.atomic import write_bytes
from orchestrator.kernel.reading.archive import MOST_UNPACKED, open_archive
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.wire import MODEL_SUFFIX, NORMALIZATION_SUFFIX
from orchestrator.sb3.algorithms.normalization import Normalization, normalization_of, returns_of, saved_normalization

# Left out because the side file stores it, or because it belongs to one session and not to the lineage. A plain
# `load` gives each its initial value.
NOT_IN_ZIP = (
    "_current_progress_remaining",
    "_last_obs",
    "_last_episode_starts",
    "_last_original_obs",
    "_num_timesteps_at_start",
    "_total_timesteps",
    "acts_by_its_policy",
    "ep_info_buffer",
    "ep_success_buffer",
    "horizon_steps",
    "start_time",
    "tensorboard_log",
)
_TENSORS, _VARIABLES = ".pth", "pytorch_variables"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
# Beside each pickled attribute the library writes a description with memory addresses of this process. The pickle
# itself is base64 text, which has no spaces, so it cannot match.
_ADDRESS = re.compile(rb" at 0x[0-9a-f]+")


def own_state(model: BaseAlgorithm) -> tuple[str, ...]:
    """Names of the state that only the model's algorithm has, by the registry.

    The side file has it, and a plain load builds its own; a pickled tensor would have an address of this process.
    """
    names = {kind.__name__ for kind in type(model).__mro__ if kind.__module__.startswith("sb3_contrib.")}
    return tuple(one for name, entry in REGISTRY.items() if name in names for one in entry.own)


def model_bytes(model: BaseAlgorithm) -> bytes:
    """The zip of a model, without times and addresses: equal models give equal bytes."""
    saved = io.BytesIO()
    model.save(saved, exclude=[*NOT_IN_ZIP, *own_state(model)])
    fixed = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(source.namelist()):
            info = zipfile.ZipInfo(name, date_time=_FIXED_TIME)
            info.create_system = 3  # the default differs between systems
            info.external_attr = 0o600 << 16
            content = source.read(name)
            archive.writestr(info, _ADDRESS.sub(b"", content) if name == "data" else content)
    return fixed.getvalue()


def loadable_files(model: BaseAlgorithm) -> dict[str, bytes]:
    """The files for using a model as it is now, by suffix: its zip, and its statistics file if it has one."""
    content = model_bytes(model)
    return with_statistics(content, model, observations=normalization_of(model), returns=returns_of(model))


def with_statistics(
    content: bytes, model: BaseAlgorithm, *, observations: Normalization | None, returns: RunningStatistics | None
) -> dict[str, bytes]:
    """A model zip and, if its training normalizes, its statistics file, by suffix.

    Args:
        content: The zip, from any moment of the training.
        model: The model in training.
        observations: Normalization of observations at that moment.
        returns: Statistics for the normalization of rewards at that moment.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    saved = saved_normalization(model, model_sha256=sha256, observations=observations, returns=returns)
    return {MODEL_SUFFIX: content} if saved is None else {MODEL_SUFFIX: content, NORMALIZATION_SUFFIX: saved.to_bytes()}


def write_model(model: BaseAlgorithm, path: Path) -> None:
    """Write a model's zip and, if its training normalizes, the statistics file beside it; each file atomically.

    Raises:
        OSError: A file cannot be written.
    """
    for suffix, content in loadable_files(model).items():
        write_bytes(path.with_name(path.stem + suffix), content)


def load_weights(model: BaseAlgorithm, content: bytes, *, sha256: str) -> None:
    """Load the saved parameters, optimizer states and learned variables into a freshly built model.

    The library's loader is never called, since it would unpickle attributes of the zip. The model was built from the
    spec; here only tensors are read, by torch's weights-only reader.

    Args:
        model: From `build_model`.
        content: The whole zip in memory, so that the hashed bytes are also the loaded ones.
        sha256: Its digest in the checkpoint's verified card.

    Raises:
        ValueError: The digest differs, or the zip holds other parameters than the model.
    """
    parameters = read_parameters(content, sha256=sha256, device=model.device)
    variables = parameters.pop(_VARIABLES, {})
    _, names = model._get_torch_save_params()
    if set(variables) != set(names):
        raise ValueError(f"the model zip holds the variables {sorted(variables)}, the model has {sorted(names)}")
    model.set_parameters(parameters, exact_match=True, device=model.device)
    for name in names:
        # In place: the optimizer of SAC's entropy coefficient refers to this tensor object.
        with torch.no_grad():
            getattr(model, name).copy_(variables[name])


def live_parameters(model: BaseAlgorithm) -> dict[str, Any]:
    """The tensors that `model_bytes` writes, under the names of `read_parameters`."""
    _, names = model._get_torch_save_params()
    parameters: dict[str, Any] = dict(model.get_parameters())
    return {**parameters, _VARIABLES: {name: getattr(model, name) for name in names}} if names else parameters


def read_parameters(content: bytes, *, sha256: str, device: torch.device) -> dict[str, Any]:
    """Tensors of a model zip by member name, read without executing any code.

    Raises:
        ValueError: The digest differs from the card's, or the bytes are not a model zip.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"the model zip has the sha256 {found[:12]}, its card states {sha256[:12]}")
    parameters: dict[str, Any] = {}
    try:
        with open_archive(content, "the model zip", max(len(content), MOST_UNPACKED)) as archive:
            for name in archive:
                if name.endswith(_TENSORS):
                    stream = io.BytesIO(archive.read(name))
                    parameters[name.removesuffix(_TENSORS)] = torch.load(stream, map_location=device, weights_only=True)
    except (Unreadable, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as fault:
        raise ValueError(f"the model zip is damaged or holds more than tensors: {fault}") from fault
    return parameters
