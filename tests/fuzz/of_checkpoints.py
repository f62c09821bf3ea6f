"""What lies in a models directory: cards, metadata, journal and lists, statistics, model zips, side files."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.checkpoint.compatibility import Intended, compare_checkpoint
from orchestrator.core.checkpoint.inspection import Descent, Inspection, descent_of, lines_of
from orchestrator.core.errors import BadInput
from orchestrator.core.section.lineage import Lineage
from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics, SavedNormalization, read_normalization
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.training.kept_state.archive import read_archive, unpack_files, write_archive
from orchestrator.kernel.wire import METADATA_NAME, digest_of
from orchestrator.sb3.state.npz_tree import read_state, write_state
from orchestrator.stores.adoption.foreign_model import read_foreign_model
from orchestrator.stores.checkpoint.archives import REPLACED, read_replaced
from orchestrator.stores.checkpoint.atomic_swap import JOURNAL
from orchestrator.stores.checkpoint.entries import describes
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.checkpoint.own_files import INVENTORY, read_inventory
from orchestrator.stores.checkpoint.sb3_zip import read_model_zip
from tests.fuzz.kind import Kind, require_plain, write
from tests.unit.kernel.makers import SCENARIO, save

SHA = hashlib.sha256(b"x").hexdigest()
INTENDED = Intended(
    lineage=Lineage(
        section="section_7_6",
        algorithm="DQN",
        network=(64, 64),
        hyper_parameters={"gamma": 0.97},
        environment={"decision_s": 10.0},
        own={"settings": {"a": 1}},
        seed=0,
    ),
    code_digest="b" * 64,
    versions={"torch": "2.6"},
    device_class="cpu",
)


def _in(make: Callable[[Path], bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make(Path(folder))


def _card(folder: Path) -> bytes:
    card = save(folder, 20, save(folder, 10))
    plain = json.loads((folder / "checkpoints" / card.name).read_bytes())
    identity = {
        **{"section": "section_7_6", "algorithm": "DQN", "network": [64, 64], "seed": 0, "device_class": "cpu"},
        **{"versions": {"torch": "2.5"}, "hyper_parameters": {"gamma": 0.9}, "code_digest": "c" * 64, "lost_state": []},
    }
    proof = {"grade": "exact", "cuts": 3, "steps": 20, "digest": SHA}
    adopted = {"file": "a.zip", "origin": "a.zip", "sha256": SHA, "steps": 5, "algorithm": "DQN"}
    return json.dumps({**plain, "identity": identity, "proof": proof, "adopted": adopted}).encode()


def _redigested(content: bytes) -> bytes | None:
    """The card with the digest that its content has, as a person could write it."""
    try:
        plain = json.loads(content)
        parent = plain["ancestry"][-1]["digest"] if plain["ancestry"] else None
        kept = {name: plain[name] for name in ("files", "steps", "adopted") if plain.get(name) is not None}
        digest = digest_of({**kept, "lineage_id": str(plain["stamp"]["lineage_id"]), "parent": parent})
        return json.dumps({**plain, "digest": digest}).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _read_card(content: bytes, scratch: Path) -> bool:
    return any([_uses_card(one, scratch / str(place)) for place, one in enumerate((content, _redigested(content)))])


def _uses_card(content: bytes | None, models: Path) -> bool:
    if content is None:
        return False
    saved = save(models, 20, save(models, 10))
    write(models / "checkpoints", saved.name, content)
    write(models / "best_model", "best_model.json", content)
    directory = ModelsDirectory(models, SCENARIO)
    survey, view = survey_checkpoints(models, SCENARIO), directory.view()
    require_plain([view.faults, view.own, [dataclasses.asdict(one) for one in view.entries]])
    for card in survey.verified:
        require_plain(card.to_json())
        require_plain(compare_checkpoint(card, INTENDED).to_json())
        shown = Inspection(path="x", model=None, card=card, descent=descent_of(card, ()), compatibility=None, faults=())
        require_plain(shown.to_json())
        require_plain(lines_of(shown))
    return saved.stem in {card.stem for card in survey.verified}


def _read_metadata(content: bytes, scratch: Path) -> bool:
    card = save(scratch, 10)
    return describes(write(scratch, METADATA_NAME, content), (card,))


def _metadata(folder: Path) -> bytes:
    return json.dumps({"latest_checkpoint_digest": save(folder, 10).digest, "steps": [10]}).encode()


_ENTRY = {"path": "checkpoints/a.zip", "size_bytes": 1, "sha256": SHA}
_JOURNALS = (
    {"version": 2, "act": "restore", "folder": "s02", "place": [_ENTRY], "retire": [{**_ENTRY, "path": "b.zip"}]},
    {"version": 2, "act": "archive", "folder": "s02", "place": [], "retire": []},
    {"target": "models", "staged": ".incoming-s02", "archive": "archive/s02"},
)


def _read_journal(content: bytes, scratch: Path) -> bool:
    data = scratch / "project/data"
    save(data / "models", 10)
    outside = write(scratch, "project/configs/x.yaml", b"x")
    for name in (JOURNAL, INVENTORY, f"archive/s02/{REPLACED}"):
        write(data, name, content)
    directory = ModelsDirectory(data / "models", SCENARIO)
    lists = (*read_inventory(data / "models"), *read_replaced(data / "models", "s02"))
    require_plain([directory.recover(), [dataclasses.asdict(one) for one in lists]])
    directory.discard_archive("s02")
    assert outside.read_bytes() == b"x"
    assert sum(1 for _ in data.rglob("*_10_steps.zip")) == 1
    assert not (data / JOURNAL).exists()
    return bool(lists) or not (data / "archive/rejected-journal").exists()


_STATISTICS = SavedNormalization(
    **{"model_sha256": SHA, "norm_obs": True, "norm_reward": True, "clip_obs": 10.0, "clip_reward": float("inf")},
    gamma=0.99,
    epsilon=1e-8,
    obs_rms=RunningStatistics(mean=[0.1, 2.0], var=[1.0, 0.0], count=100.0),
    ret_rms=RunningStatistics(mean=-3.0, var=2.0, count=50.0),
)


def _read_statistics(content: bytes, scratch: Path) -> bool:
    model = write(scratch, "m.zip", b"x")
    write(scratch, "m.vecnormalize.json", content)
    try:
        saved = read_normalization(model)
    except ValueError as fault:
        require_plain(str(fault))
        return False
    assert SavedNormalization.from_bytes(saved.to_bytes()) == saved
    return True


def _zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


_TENSORS = pickle.dumps({"a": 1}, protocol=2)
_MODEL = _zipped(
    data=json.dumps(
        {
            "policy_class": {":type:": "x", "__module__": "stable_baselines3.dqn.policies", ":serialized:": "gASVAA=="},
            "exploration_schedule": {":serialized:": base64.b64encode(pickle.dumps({"x": 1})).decode()},
            **{"target_update_interval": 5, "num_timesteps": 40, "policy_kwargs": {"net_arch": [64, 64]}},
            "observation_space": {":type:": "<class 'gymnasium.spaces.box.Box'>", "dtype": "float32", "_shape": [3]},
            "action_space": {":type:": "<class 'gymnasium.spaces.discrete.Discrete'>", "n": "2"},
            "acts_through": ["policy"],
        }
    ).encode(),
    policy__pth=_zipped(**{"archive/data__pkl": _TENSORS, "archive/data/0": b"1234"}),
    system_info__txt=b"- Python: 3.11\n- PyTorch: 2.6\n",
)


def _read_model(content: bytes, scratch: Path) -> bool:
    path = write(scratch, "m.zip", content)
    try:
        read_foreign_model(path)
    except BadInput as fault:
        require_plain(str(fault))
    try:
        model = read_model_zip(path)
    except BadInput as fault:
        require_plain(str(fault))
        return False
    shown = Inspection(path="x", model=model, card=None, descent=Descent(), compatibility=None, faults=())
    require_plain(shown.to_json())
    require_plain(lines_of(shown))
    return True


def _state() -> bytes:
    stream = io.BytesIO()
    write_state(stream, {"a": np.arange(6.0).reshape(2, 3), "b": {"c": [1, "x", None], "f": float("nan")}, "n": 2**70})
    return stream.getvalue()


def _read_state(content: bytes, scratch: Path) -> bool:
    try:
        tree = read_state(write(scratch, "s.npz", content))
    except ValueError as fault:
        require_plain(str(fault))
        return False
    return isinstance(tree, dict)


def _script_archive(folder: Path) -> bytes:
    write(folder, "own/data/a.txt", b"own")
    tree: dict[str, Any] = {"parts": {"q": {"value": {"is": "bytes", "buffer": 0}, "first": 0}}}
    write_archive(folder / "a.zip", tree, [b"1234"], folder / "own")
    return (folder / "a.zip").read_bytes()


def _read_script_archive(content: bytes, scratch: Path) -> bool:
    path, inside = write(scratch, "a.zip", content), scratch / "inside"
    inside.mkdir(exist_ok=True)
    try:
        read_archive(path)
        unpack_files(path, inside)
    except ValueError as fault:
        require_plain(str(fault))
        return False
    finally:
        assert sorted(one.name for one in scratch.iterdir()) == ["a.zip", "inside"]
    return True


KINDS = (
    Kind(name="checkpoint card", seeds=(_in(_card),), read=_read_card),
    Kind(name="metadata", seeds=(_in(_metadata),), read=_read_metadata),
    Kind(
        name="journal and lists",
        seeds=(*(json.dumps(one).encode() for one in _JOURNALS), json.dumps({"files": [_ENTRY]}).encode()),
        read=_read_journal,
    ),
    Kind(name="statistics file", seeds=(_STATISTICS.to_bytes(),), read=_read_statistics),
    Kind(name="model zip", seeds=(_MODEL,), read=_read_model),
    Kind(name="side file", seeds=(_state(),), read=_read_state),
    Kind(name="script's checkpoint", seeds=(_in(_script_archive),), read=_read_script_archive),
)
