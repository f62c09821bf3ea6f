"""Missing libraries are installed, present ones stay unchanged. The last tests use the real pip, without an index."""

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


def test_installed_libraries_of_any_version_are_kept(workspace: Workspace) -> None:
    machine = FakeMachine({"torch": "2.6.0+cu124", "stable-baselines3": "2.1.0"})
    assert supply((TORCH, SB3), workspace, machine.face) == ()
    assert machine.ran == []


def test_a_missing_library_is_installed_with_the_images_versions_as_constraints(workspace: Workspace) -> None:
    machine = FakeMachine({"torch": "2.6.0+cu124", "numpy": "1.26.4", "odd": "0.1-unknown"})
    assert supply((TORCH, SB3), workspace, machine.face) == (SB3,)
    (words,) = machine.ran
    assert words[:4] == ["python", "-m", "pip", "install"]
    assert words[-1] == "stable-baselines3==2.9.2"
    assert not any(word.startswith(("torch", "--target", "--no-index")) for word in words)
    assert machine.limits_s == [INSTALL_LIMIT_S]
    constraints = Path(words[words.index("--constraint") + 1]).read_text(encoding="utf-8").splitlines()
    assert constraints == ["numpy==1.26.4", "torch==2.6.0+cu124"]  # pip would reject the invalid version of `odd`
    assert machine.imported_from


def test_torch_is_never_installed(workspace: Workspace) -> None:
    machine = FakeMachine({"numpy": "2.4.6"})
    with pytest.raises(SessionRefused, match="torch, which this image lacks") as refusal:
        supply((TORCH, SB3), workspace, machine.face)
    assert "image" in refusal.value.remedy
    assert machine.ran == []


def test_a_failed_pip_is_a_refusal_with_its_last_lines(workspace: Workspace) -> None:
    words = "\n".join([*(f"line {n}" for n in range(50)), "ERROR: No matching distribution found"])
    machine = FakeMachine(pip=Ran(exit_code=1, out="Collecting", err=words))
    with pytest.raises(SessionRefused, match="from the package index") as refusal:
        supply((SB3,), workspace, machine.face)
    assert str(refusal.value).endswith("ERROR: No matching distribution found")
    assert "line 10" not in str(refusal.value)
    assert "internet" in refusal.value.remedy


def test_a_successful_pip_without_the_library_is_a_refusal(workspace: Workspace) -> None:
    machine = FakeMachine()
    face = Machine(run=lambda words, limit_s: Ran(exit_code=0), versions=dict, import_from=machine.imported_from.extend)
    with pytest.raises(SessionRefused, match="Python does not find it"):
        supply((SB3,), workspace, face)


def test_mounted_wheels_are_used_instead_of_the_package_index(workspace: Workspace) -> None:
    wheels = workspace.input / "datasets" / "me" / "wheels"
    make_wheel(wheels, "stable_baselines3", "2.9.2")
    make_wheel(workspace.input / "unrelated", "something_else", "1.0")
    machine = FakeMachine()
    supply((SB3,), workspace, machine.face)
    (words,) = machine.ran
    assert "--no-index" in words
    assert [words[place + 1] for place, word in enumerate(words) if word == "--find-links"] == [str(wheels)]


class RealPip:
    """The real machine, but with its own import folders instead of `sys.path`."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.face = Machine(versions=self._versions, import_from=self._import_from)

    def _versions(self) -> dict[str, str]:
        return installed_versions([*sys.path, *self.folders])

    def _import_from(self, folders: Iterable[Path]) -> None:
        self.folders += map(str, folders)


TOY = Requirement(name="orchestrator-toy-wheel", version="1.0")


def test_the_real_pip_installs_beside_the_image_and_reuses_its_libraries(workspace: Workspace) -> None:
    make_wheel(workspace.input / "wheels", "orchestrator_toy_wheel", "1.0", ("pytest>=1",))
    pip = RealPip()
    assert supply((TOY,), workspace, pip.face) == (TOY,)
    installed = {path.name for folder in pip.folders for path in Path(folder).glob("*.py")}
    assert installed == {"orchestrator_toy_wheel.py"}  # pytest is already installed and is not installed again
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
