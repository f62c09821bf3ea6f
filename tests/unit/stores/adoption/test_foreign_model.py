"""What `adopt` reads of a model from elsewhere: real files of stable-baselines3, folders of RL Zoo, hostile zips."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.checkpoint.adoption import steps_of
from orchestrator.core.errors import BadInput
from orchestrator.stores.adoption import foreign_model
from orchestrator.stores.adoption.foreign_model import read_foreign_model


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    path = tmp_path_factory.mktemp("models") / "ppo.zip"
    model = stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, device="cpu")
    model.learn(64)
    model.save(path)
    return path


def rewritten(source: Path, target: Path, **changes: bytes | None) -> Path:
    """A copy with other members; None leaves one out. `__` in a name stands for a dot."""
    wanted: Mapping[str, bytes | None] = {name.replace("__", "."): content for name, content in changes.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = wanted.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in wanted.items():
            if name not in old.namelist() and content is not None:
                new.writestr(name, content)
    return target


def test_a_saved_model_is_read_with_algorithm_steps_and_digest(ppo: Path) -> None:
    found = read_foreign_model(ppo)
    assert (found.algorithm, found.steps, found.file, found.notes) == ("PPO", 64, "ppo.zip", ())
    assert found.content == ppo.read_bytes() and found.origin == "ppo.zip"  # of an absolute path, no folder
    assert (steps_of(found, None), steps_of(found, 7)) == (64, 7)


@pytest.mark.parametrize("steps", [-1, 2**53 + 1])
def test_steps_out_of_range_are_refused(ppo: Path, steps: int) -> None:
    with pytest.raises(BadInput, match="--steps must be between 0 and"):
        steps_of(read_foreign_model(ppo), steps)


def test_without_steps_in_the_file_they_must_be_given(ppo: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(ppo) as archive:
        described = json.loads(archive.read("data"))
    del described["num_timesteps"]
    found = read_foreign_model(rewritten(ppo, tmp_path / "m.zip", data=json.dumps(described).encode()))
    with pytest.raises(BadInput, match="does not state how many steps"):
        steps_of(found, None)


def zoo(ppo: Path, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        shutil.copyfile(ppo, folder / name)
    (folder / "CartPole-v1").mkdir()
    (folder / "CartPole-v1" / "config.yml").write_text("normalize: true\n", encoding="utf-8")
    return folder


def test_of_a_folder_of_rl_zoo_the_final_model_is_taken_and_named(ppo: Path, tmp_path: Path) -> None:
    folder = zoo(ppo, tmp_path / "ppo" / "CartPole-v1_1", "CartPole-v1.zip", "best_model.zip", "rl_model_900_steps.zip")
    (folder / "CartPole-v1" / "vecnormalize.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    found = read_foreign_model(folder)
    assert found.file == "CartPole-v1.zip" and found.origin == "CartPole-v1_1/CartPole-v1.zip"
    chosen, normalization = found.notes
    assert "CartPole-v1.zip is taken; to take another one (best_model.zip, rl_model_900_steps.zip)" in chosen
    assert "vecnormalize.pkl is a pickled file and is not loaded" in normalization
    assert not (tmp_path / "pwned").exists() and not Path("pwned").exists()


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("best_model.zip", "rl_model_900_steps.zip"), "best_model.zip"),
        (("rl_model_900_steps.zip", "rl_model_1000_steps.zip"), "rl_model_1000_steps.zip"),
        (("mine.zip",), "mine.zip"),
    ],
)
def test_without_a_final_model_the_best_one_or_the_newest_is_taken(
    ppo: Path, tmp_path: Path, names: tuple[str, ...], taken: str
) -> None:
    assert read_foreign_model(zoo(ppo, tmp_path / "CartPole-v1_2", *names)).file == taken


@pytest.mark.parametrize("names", [(), ("one.zip", "two.zip")])
def test_a_folder_without_a_clear_model_is_refused(ppo: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="has no model that can be chosen"):
        read_foreign_model(zoo(ppo, tmp_path / "logs", *names))


def bomb(path: Path) -> bytes:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(path),)

    return pickle.dumps(Bomb())


def torch_file(stream: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", stream)
    return content.getvalue()


def test_a_pickle_in_the_policy_is_refused_and_not_executed(ppo: Path, tmp_path: Path) -> None:
    for number, policy in enumerate((torch_file(bomb(tmp_path / "hit")), bomb(tmp_path / "hit"))):
        with pytest.raises(BadInput, match=r"mkdir|not a file of torch"):
            read_foreign_model(rewritten(ppo, tmp_path / f"{number}.zip", policy__pth=policy))
    assert not (tmp_path / "hit").exists()


def test_pickles_elsewhere_in_the_file_are_never_decoded(ppo: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(ppo) as archive:
        described = json.loads(archive.read("data"))
    for name in list(described):
        if isinstance(described[name], dict) and ":serialized:" in described[name]:
            described[name][":serialized:"] = base64.b64encode(bomb(tmp_path / "hit")).decode()
    hostile = rewritten(
        ppo,
        tmp_path / "m.zip",
        data=json.dumps(described).encode(),
        pytorch_variables__pth=torch_file(bomb(tmp_path / "hit")),
    )
    assert read_foreign_model(hostile).algorithm == "PPO"
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize("name", ["../../outside.txt", "/etc/outside", "a\\..\\..\\b", "C:\\outside"])
def test_a_member_that_leads_out_of_the_file_is_refused(ppo: Path, tmp_path: Path, name: str) -> None:
    hostile = shutil.copyfile(ppo, tmp_path / "m.zip")
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BadInput, match="leads out of the file"):
        read_foreign_model(hostile)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.zip"]


def test_a_huge_size_is_refused_before_it_is_unpacked(
    ppo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"{}")
        archive.writestr("policy.pth", bytes(20_000_000))
    (tmp_path / "m.zip").write_bytes(content.getvalue())
    monkeypatch.setattr(foreign_model, "MOST_UNPACKED", 10_000_000)
    with pytest.raises(BadInput, match="it would unpack to 20000002 bytes"):
        read_foreign_model(tmp_path / "m.zip")
    monkeypatch.setattr(foreign_model, "MOST_BYTES", 1000)
    with pytest.raises(BadInput, match="a model has at most 1000"):
        read_foreign_model(ppo)


def _twice(ppo: Path, path: Path) -> None:
    shutil.copyfile(ppo, path)
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("policy.pth", b"another")


def _cut_off(ppo: Path, path: Path) -> None:
    path.write_bytes(ppo.read_bytes()[:-500])


def _flipped(ppo: Path, path: Path) -> None:
    content = bytearray(ppo.read_bytes())
    with zipfile.ZipFile(ppo) as archive:
        content[archive.getinfo("policy.pth").header_offset + 2000] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda ppo, path: None, "there is no file"),
        (lambda ppo, path: path.write_bytes(b"hello"), "no zip file"),
        (lambda ppo, path: path.write_bytes(b""), "no zip file"),
        (_cut_off, "it is cut off"),
        (_flipped, "cut off|damaged|not a usable model"),
        (_twice, "the same name"),
        (lambda ppo, path: rewritten(ppo, path, data=None), "lacks the member data"),
        (lambda ppo, path: rewritten(ppo, path, policy__pth=None), "lacks the member policy.pth"),
        (lambda ppo, path: rewritten(ppo, path, data=b"[]"), "data cannot be read: it must be an object, not a list"),
        (lambda ppo, path: rewritten(ppo, path, data=b"{}"), "does not describe a model"),
        (lambda ppo, path: rewritten(ppo, path, data=b"[" * 100_000), "not a usable model"),
        (lambda ppo, path: rewritten(ppo, path, data=b"\xff"), "not a usable model"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(
    ppo: Path, tmp_path: Path, make: Callable[[Path, Path], object], match: str
) -> None:
    path = tmp_path / "m.zip"
    make(ppo, path)
    with pytest.raises(BadInput, match=match):
        read_foreign_model(path)
