"""Reads a stable-baselines3 model file as a zip with JSON, without unpickling anything."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.checkpoint.inspection import ModelZip
from orchestrator.core.checkpoint.pickle_scan import NotReadable, imported_names
from orchestrator.core.errors import BadInput

_LIMIT_BYTES = 64_000_000
"""Limit for one member: the description of a model takes kilobytes, and a zip may state any size."""

_SERIALIZED = ":serialized:"
_COUNTERS = {"num_timesteps": "steps", "_n_updates": "updates", "_episode_num": "episodes", "n_envs": "environments"}
_MARKS: Mapping[str, frozenset[str]] = {
    "PPO": frozenset({"n_epochs", "clip_range", "gae_lambda"}),
    "SAC": frozenset({"target_entropy", "ent_coef"}),
    "TD3": frozenset({"policy_delay", "target_policy_noise"}),
    "DQN": frozenset({"exploration_schedule", "target_update_interval"}),
    "A2C": frozenset({"n_steps", "gae_lambda", "vf_coef"}),
}
"""Algorithm -> attributes that identify it, the more specific first; the file does not name its algorithm.
Source: the constructors in stable-baselines3 2.9."""


def read_model_zip(path: Path) -> ModelZip:
    """Read everything that can be read without executing anything.

    Raises:
        BadInput: It is not a model file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = {name: _member(archive, name) for name in archive.namelist()}
        described = json.loads(content["data"].decode("utf-8"))
        if not isinstance(described, dict):
            raise ValueError("its description is not an object")
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as fault:
        raise BadInput(
            f"{path} cannot be read as a stable-baselines3 model: {fault}", remedy="Name a checkpoint's .zip file."
        ) from fault
    executes: dict[str, tuple[str, ...]] = {}
    sealed: dict[str, str] = {}
    for place, stream in _pickled(described, content):
        try:
            executes[place] = imported_names(stream)
        except NotReadable as fault:
            sealed[place] = str(fault)
    return ModelZip(
        algorithm=algorithm_of(described),
        spaces={kind: _space(described.get(f"{kind}_space")) for kind in ("observation", "action")},
        network=(described.get("policy_kwargs") or {}).get("net_arch"),
        counters={word: described[name] for name, word in _COUNTERS.items() if isinstance(described.get(name), int)},
        versions=_versions(content),
        executes=executes,
        sealed=sealed,
        acts_through=_texts(described.get("acts_through")),
    )


def _texts(value: Any) -> tuple[str, ...] | None:
    """A list of texts, None for anything else."""
    return tuple(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        content = stream.read(_LIMIT_BYTES + 1)  # the size in the zip's directory is not trusted
    if len(content) > _LIMIT_BYTES:
        raise ValueError(f"{name} is larger than {_LIMIT_BYTES} bytes")
    return content


def _pickled(described: Mapping[str, Any], content: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Everything that a plain `load` would unpickle, with its place in the file."""
    for name, value in described.items():
        if isinstance(value, dict) and _SERIALIZED in value:
            try:
                yield f"data:{name}", base64.b64decode(str(value[_SERIALIZED]), validate=True)
            except binascii.Error:
                yield f"data:{name}", b""  # reported as not readable
    for name, member in content.items():
        if name.endswith((".pth", ".pt", ".pkl")):
            yield from _of_torch(name, member)


def _of_torch(name: str, member: bytes) -> Iterator[tuple[str, bytes]]:
    """A torch file is a zip around one pickled code stream; in older versions it is the stream itself."""
    if not zipfile.is_zipfile(io.BytesIO(member)):
        yield name, member
        return
    with zipfile.ZipFile(io.BytesIO(member)) as inner:
        for entry in inner.namelist():
            if entry.endswith(".pkl"):
                yield f"{name}:{entry.rpartition('/')[2]}", _member(inner, entry)


def algorithm_of(described: Mapping[str, Any]) -> str | None:
    """The algorithm of a described model, in upper case; None if it is not known."""
    policy = described.get("policy_class")
    module = str(policy.get("__module__", "")) if isinstance(policy, dict) else ""
    if module.startswith("sb3_contrib."):  # a package per algorithm
        return module.split(".")[1].upper()
    return next((name for name, marks in _MARKS.items() if marks <= described.keys()), None)


def _space(value: Any) -> str:
    """A space, from the texts that the library writes beside its pickled form."""
    if not isinstance(value, dict):
        return "unknown"
    kind = str(value.get(":type:", "")).rpartition(".")[2].rstrip("'>")
    shown = {key: value[key] for key in ("n", "start", "_shape", "dtype", "low", "high") if key in value}
    if "n" in shown:
        shown = {key: shown[key] for key in ("n", "start") if key in shown}
    arguments = ", ".join(f"{key.lstrip('_')}={_short(item)}" for key, item in shown.items())
    return f"{kind}({arguments})"


def _short(value: Any) -> str:
    """A text in one line; a list of equal bounds as one of them."""
    text = re.sub(r"\s+", " ", str(value)).strip()
    entries = text.strip("[] ").split()
    return entries[0] if isinstance(value, str) and len(entries) > 1 and len(set(entries)) == 1 else text


def _versions(content: Mapping[str, bytes]) -> dict[str, str]:
    text = content.get("system_info.txt", b"").decode("utf-8", "replace")
    stated = dict(re.findall(r"^- ([\w-]+): (.+)$", text, re.MULTILINE))
    wanted = ("Python", "Stable-Baselines3", "PyTorch", "Numpy", "Gymnasium")
    return {name: stated[name].strip() for name in wanted if name in stated}
