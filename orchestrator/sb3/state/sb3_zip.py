"""The model zip: plain Stable-Baselines3, loadable without this project, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import pickle  # for the name of an error alone
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics
from orchestrator.kernel.files.atomic import write_bytes
from orchestrator.kernel.wire import MODEL_SUFFIX, NORMALIZATION_SUFFIX
from orchestrator.sb3.algorithms.normalization import Normalization, normalization_of, returns_of, saved_normalization

# Left out because the side file owns it, or because it is this session's and not the lineage's. A plain
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
# Beside each pickled attribute the library writes a description for people, with addresses of this process.
# What is pickled is base64 text, which has no spaces: it cannot match.
_ADDRESS = re.compile(rb" at 0x[0-9a-f]+")


def model_bytes(model: BaseAlgorithm) -> bytes:
    """The zip of a model. Equal models give equal bytes: it holds no times and no addresses."""
    saved = io.BytesIO()
    model.save(saved, exclude=NOT_IN_ZIP)
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
    """What a person loads to act with a model as it is now, by suffix: its zip, and its statistics if it has any."""
    content = model_bytes(model)
    return with_statistics(content, model, observations=normalization_of(model), returns=returns_of(model))


def with_statistics(
    content: bytes, model: BaseAlgorithm, *, observations: Normalization | None, returns: RunningStatistics | None
) -> dict[str, bytes]:
    """A model zip, and the statistics that belong to it where its training normalizes, by suffix.

    Args:
        content: The zip, of any moment of the training.
        model: The training.
        observations: How observations were normalized at that moment.
        returns: By what rewards were normalized at that moment.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    saved = saved_normalization(model, model_sha256=sha256, observations=observations, returns=returns)
    return {MODEL_SUFFIX: content} if saved is None else {MODEL_SUFFIX: content, NORMALIZATION_SUFFIX: saved.to_bytes()}


def write_model(model: BaseAlgorithm, path: Path) -> None:
    """Write the zip of a model, each file atomically, and beside it the statistics where its training normalizes.

    Raises:
        OSError: The disk refused.
    """
    for suffix, content in loadable_files(model).items():
        write_bytes(path.with_name(path.stem + suffix), content)


def load_weights(model: BaseAlgorithm, content: bytes, *, sha256: str) -> None:
    """Put the saved parameters and optimizer states into a freshly built model, and what is learned beside them.

    The library's own loader is never called: it would unpickle the attributes that the zip holds for its plain
    users. The model was built from the spec; here only tensors are read, by torch's weights-only reader.

    Args:
        model: As `build_model` gives it.
        content: The zip, whole: what is read is what was hashed, whatever happens to the file meanwhile.
        sha256: What the checkpoint's verified card says of it.

    Raises:
        ValueError: These are other bytes, or they hold other parameters than the model has.
    """
    parameters = read_parameters(content, sha256=sha256, device=model.device)
    variables = parameters.pop(_VARIABLES, {})
    _, names = model._get_torch_save_params()
    if set(variables) != set(names):
        raise ValueError(f"the model zip holds the variables {sorted(variables)}, the model has {sorted(names)}")
    model.set_parameters(parameters, exact_match=True, device=model.device)
    for name in names:
        # In place: the optimizer of SAC's entropy coefficient holds on to this very tensor.
        with torch.no_grad():
            getattr(model, name).copy_(variables[name])


def live_parameters(model: BaseAlgorithm) -> dict[str, Any]:
    """The tensors that `model_bytes` writes, by the same names as `read_parameters` gives them."""
    _, names = model._get_torch_save_params()
    parameters: dict[str, Any] = dict(model.get_parameters())
    return {**parameters, _VARIABLES: {name: getattr(model, name) for name in names}} if names else parameters


def read_parameters(content: bytes, *, sha256: str, device: torch.device) -> dict[str, Any]:
    """Tensors of a model zip by the names of its members, read without executing anything.

    Raises:
        ValueError: The bytes are not those that a card vouches for, or no such zip.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"the model zip has the sha256 {found[:12]}, its card states {sha256[:12]}")
    parameters: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(_TENSORS):
                    stream = io.BytesIO(archive.read(name))
                    parameters[name.removesuffix(_TENSORS)] = torch.load(stream, map_location=device, weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError) as fault:
        raise ValueError(f"the model zip holds something else than tensors: {fault}") from fault
    return parameters
