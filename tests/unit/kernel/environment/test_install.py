"""What is missing is fetched; what is there stays as it is. The last tests use the real pip, without an index."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.kernel.environment.install import INSTALL_LIMIT_S, supply
from orchestrator.kernel.environment.machine import Machine, installed_versions
from orchestrator.kernel.environment.requirements import Requirement
from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import SessionRefused
from tests.doubles.machine import FakeMachine
from tests.doubles.wheels import make_wheel

TORCH = Requirement(name="torch", version="2.13.0")
SB3 = Requirement(name="stable-baselines3", version="2.9.2")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(input=tmp_path / "input", working=tmp_path / "working", scratch=tmp_path / "scratch")


def test_what_is_there_is_left_alone_whatever_its_version(workspace: Workspace) -> None:
    machine = FakeMachine({"torch": "2.6.0+cu124", "stable-baselines3": "2.1.0"})
    assert supply((TORCH, SB3), workspace, machine.face) == ()
    assert machine.ran == []


def test_what_is_missing_is_fetched_under_the_images_own_versions(workspace: Workspace) -> None:
    machine = FakeMachine({"torch": "2.6.0+cu124", "numpy": "1.26.4", "odd": "0.1-unknown"})
    assert supply((TORCH, SB3), workspace, machine.face) == (SB3,)
    (words,) = machine.ran
    assert words[:4] == ["python", "-m", "pip", "install"]
    assert words[-1] == "stable-baselines3==2.9.2"
    assert not any(word.startswith(("torch", "--target", "--no-index")) for word in words)
    assert machine.limits_s == [INSTALL_LIMIT_S]
    constraints = Path(words[words.index("--constraint") + 1]).read_text(encoding="utf-8").splitlines()
    assert constraints == ["numpy==1.26.4", "torch==2.6.0+cu124"]  # pip would stumble over the odd one
    assert machine.imported_from


def test_torch_is_never_installed(workspace: Workspace) -> None:
    machine = FakeMachine({"numpy": "2.4.6"})
    with pytest.raises(SessionRefused, match="torch, which this image lacks") as refusal:
        supply((TORCH, SB3), workspace, machine.face)
    assert "image" in refusal.value.remedy
    assert machine.ran == []


def test_a_failed_pip_refuses_with_its_last_words(workspace: Workspace) -> None:
    words = "\n".join([*(f"line {n}" for n in range(50)), "ERROR: No matching distribution found"])
    machine = FakeMachine(pip=Ran(exit_code=1, out="Collecting", err=words))
    with pytest.raises(SessionRefused, match="from the package index") as refusal:
        supply((SB3,), workspace, machine.face)
    assert str(refusal.value).endswith("ERROR: No matching distribution found")
    assert "line 10" not in str(refusal.value)
    assert "internet" in refusal.value.remedy


def test_a_pip_that_ends_well_and_leaves_nothing_is_not_believed(workspace: Workspace) -> None:
    machine = FakeMachine()
    face = Machine(run=lambda words, limit_s: Ran(exit_code=0), versions=dict, import_from=machine.imported_from.extend)
    with pytest.raises(SessionRefused, match="Python does not find it"):
        supply((SB3,), workspace, face)


def test_mounted_wheels_are_used_instead_of_the_index(workspace: Workspace) -> None:
    wheels = workspace.input / "datasets" / "me" / "wheels"
    make_wheel(wheels, "stable_baselines3", "2.9.2")
    make_wheel(workspace.input / "unrelated", "something_else", "1.0")
    machine = FakeMachine()
    supply((SB3,), workspace, machine.face)
    (words,) = machine.ran
    assert "--no-index" in words
    assert [words[at + 1] for at, word in enumerate(words) if word == "--find-links"] == [str(wheels)]


class RealPip:
    """The real machine, but for `sys.path`, which belongs to the tests."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.face = Machine(versions=self._versions, import_from=self._import_from)

    def _versions(self) -> dict[str, str]:
        return installed_versions([*sys.path, *self.folders])

    def _import_from(self, folders: Iterable[Path]) -> None:
        self.folders += map(str, folders)


TOY = Requirement(name="orchestrator-toy-wheel", version="1.0")


def test_the_real_pip_installs_beside_the_image_and_takes_what_it_has(workspace: Workspace) -> None:
    make_wheel(workspace.input / "wheels", "orchestrator_toy_wheel", "1.0", ("pytest>=1",))
    pip = RealPip()
    assert supply((TOY,), workspace, pip.face) == (TOY,)
    installed = {path.name for folder in pip.folders for path in Path(folder).glob("*.py")}
    assert installed == {"orchestrator_toy_wheel.py"}  # pytest is here already and was not fetched again
    assert "orchestrator-toy-wheel" not in installed_versions()


def test_the_real_pip_never_replaces_a_library_of_the_image(workspace: Workspace) -> None:
    before = installed_versions()
    assert "text-unidecode" in before
    make_wheel(workspace.input / "wheels", "orchestrator_toy_wheel", "1.0", ("text-unidecode==0.1",))
    make_wheel(workspace.input / "wheels", "text_unidecode", "0.1")
    with pytest.raises(SessionRefused, match="from the mounted wheels") as refusal:
        supply((TOY,), workspace, RealPip().face)
    assert "conflict" in str(refusal.value).lower()
    assert installed_versions() == before
    assert not list(workspace.scratch.rglob("*.py"))
