"""Reads a stable-baselines3 model file as a zip with JSON, without unpickling anything."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.checkpoint.inspection import ModelZip
from orchestrator.core.checkpoint.pickle_scan import NotReadable, imported_names
from orchestrator.core.errors import BadInput
from orchestrator.kernel.reading.archive import Archive, is_archive, open_archive
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import ANY, COUNT, TABLE, TEXTS, fields, fits, optional, require

_LIMIT_BYTES = 64_000_000
"""Limit for one member: the description of a model takes kilobytes, and a zip may state any size."""

MOST_UNPACKED = 2 << 30
"""Limit for all members; one after another is in memory."""

_VERSIONS = "system_info.txt"
_DESCRIPTION = fields({}, {"policy_class": ANY, "policy_kwargs": optional(TABLE)}, others=True)
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
    executes: dict[str, tuple[str, ...]] = {}
    sealed: dict[str, str] = {}
    try:
        with open_archive(path, path.name, MOST_UNPACKED) as archive:
            described = read_json(archive.read("data", _LIMIT_BYTES), f"data in {path.name}")
            require(_DESCRIPTION, described, f"data in {path.name}")
            versions = _versions(archive.read(_VERSIONS, _LIMIT_BYTES) if _VERSIONS in archive else b"")
            for place, stream in _pickled(described, archive):
                try:
                    executes[place] = imported_names(stream)
                except NotReadable as fault:
                    sealed[place] = str(fault)
    except (OSError, Unreadable) as fault:
        raise BadInput(
            f"{path} cannot be read as a stable-baselines3 model: {fault}", remedy="Name a checkpoint's .zip file."
        ) from fault
    return ModelZip(
        algorithm=algorithm_of(described),
        spaces={kind: _space(described.get(f"{kind}_space")) for kind in ("observation", "action")},
        network=(described.get("policy_kwargs") or {}).get("net_arch"),
        counters={word: described[name] for name, word in _COUNTERS.items() if fits(COUNT, described.get(name))},
        versions=versions,
        executes=executes,
        sealed=sealed,
        acts_through=tuple(described["acts_through"]) if fits(TEXTS, described.get("acts_through")) else None,
    )


def _pickled(described: Mapping[str, Any], archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Everything that a plain `load` would unpickle, with its place in the file."""
    for name, value in described.items():
        if isinstance(value, dict) and _SERIALIZED in value:
            try:
                yield f"data:{name}", base64.b64decode(str(value[_SERIALIZED]), validate=True)
            except ValueError:  # no base64, or no ASCII
                yield f"data:{name}", b""  # reported as not readable
    for name in archive:
        if name.endswith((".pth", ".pt", ".pkl")):
            yield from _of_torch(name, archive.read(name, _LIMIT_BYTES))


def _of_torch(name: str, member: bytes) -> Iterator[tuple[str, bytes]]:
    """A torch file is a zip around one pickled code stream; in older versions it is the stream itself."""
    if not is_archive(member):
        yield name, member
        return
    with open_archive(member, name, MOST_UNPACKED) as inner:
        for entry in inner:
            if entry.endswith(".pkl"):
                yield f"{name}:{entry.rpartition('/')[2]}", inner.read(entry, _LIMIT_BYTES)


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


def _versions(text: bytes) -> dict[str, str]:
    stated = dict(re.findall(r"^- ([\w-]+): (.+)$", text.decode("utf-8", "replace"), re.MULTILINE))
    wanted = ("Python", "Stable-Baselines3", "PyTorch", "Numpy", "Gymnasium")
    return {name: stated[name].strip() for name in wanted if name in stated}
