"""The model zip: plain Stable-Baselines3, loadable without this project, the same bytes every time."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file

# Left out because the side file owns it, or because it is this session's and not the lineage's. A plain
# `load` gives each its initial value.
NOT_IN_ZIP = (
    "_current_progress_remaining",
    "_last_obs",
    "_last_episode_starts",
    "_last_original_obs",
    "_num_timesteps_at_start",
    "_total_timesteps",
    "ep_info_buffer",
    "ep_success_buffer",
    "horizon_steps",
    "start_time",
    "tensorboard_log",
)
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


def write_model(model: BaseAlgorithm, path: Path) -> None:
    """Write the zip of a model.

    Raises:
        OSError: The disk refused.
    """
    path.write_bytes(model_bytes(model))


def load_weights(model: BaseAlgorithm, path: Path) -> None:
    """Put the saved parameters and optimizer state into a freshly built model.

    Only tensors are read, by torch's weights-only reader: the pickled attributes in the zip, which plain
    users need, are never touched.

    Raises:
        ValueError: The zip holds other parameters than the model has.
    """
    _, parameters, variables = load_from_zip_file(path, device=model.device, load_data=False)
    if variables:
        raise ValueError(f"{path.name} holds torch variables that nothing here restores: {sorted(variables)}")
    model.set_parameters(parameters, exact_match=True, device=model.device)
