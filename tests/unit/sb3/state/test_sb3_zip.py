"""A model zip is never unpickled, and it is read only if its sha256 matches its card."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from cut_trainings import built, end_of, trained
from stable_baselines3.common import base_class, save_util

from orchestrator.sb3.state.sb3_zip import load_weights, model_bytes


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def with_member(content: bytes, name: str, member: bytes) -> bytes:
    """The zip with one member replaced."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as archive:
        for known in source.namelist():
            archive.writestr(known, member if known == name else source.read(known))
    return changed.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("algorithm", ["DQN", "SAC", "TD3"])
def test_the_librarys_loader_is_never_called(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the library's loader was called")

    trained_model = trained(built(algorithm), 128)
    content = model_bytes(trained_model)
    for module in (save_util, base_class):
        monkeypatch.setattr(module, "load_from_zip_file", forbidden)
    monkeypatch.setattr(save_util, "json_to_data", forbidden)
    model = built(algorithm)
    load_weights(model, content, sha256=sha256(content))
    expected, found = end_of(trained_model), end_of(model)
    learned = {"policy", *(name for name in found if "optimizer" in name or "ent_coef" in name)}
    assert {name: found[name] for name in learned} == {name: expected[name] for name in learned}


def test_pickled_attributes_are_not_unpickled(tmp_path: Path) -> None:
    content = with_member(model_bytes(built("DQN")), "data", pickle.dumps(Bomb(tmp_path / "exploded")))
    load_weights(built("DQN"), content, sha256=sha256(content))
    assert not (tmp_path / "exploded").exists()


def test_code_instead_of_tensors_is_refused_and_not_executed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save(Bomb(tmp_path / "exploded"), stream)
    content = with_member(model_bytes(built("DQN")), "policy.pth", stream.getvalue())
    with pytest.raises(ValueError, match="more than tensors"):
        load_weights(built("DQN"), content, sha256=sha256(content))
    assert not (tmp_path / "exploded").exists()


def test_a_zip_with_another_sha256_than_its_card_is_not_loaded() -> None:
    content = model_bytes(trained(built("DQN"), 128))
    model = built("DQN")
    before = end_of(model)
    with pytest.raises(ValueError, match="its card states 0000"):
        load_weights(model, content, sha256="0" * 64)
    assert end_of(model) == before


def test_a_zip_of_another_algorithm_is_refused() -> None:
    content = model_bytes(built("SAC"))
    with pytest.raises(ValueError, match=r"variables \['log_ent_coef'\], the model has \[\]"):
        load_weights(built("TD3"), content, sha256=sha256(content))
    content = model_bytes(built("PPO"))
    with pytest.raises((ValueError, RuntimeError)):
        load_weights(built("DQN"), content, sha256=sha256(content))
