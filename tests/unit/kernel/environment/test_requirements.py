"""The requirements of sections: their format, and that they match the imports and the constraints."""

from __future__ import annotations

import ast
import sys
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.kernel.algorithms.registry import REGISTRY
from orchestrator.kernel.environment.requirements import Requirement, canonical_name, requirements_of
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.wire import code_folder
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore

PACKAGE_OF = {"PIL": "pillow", "yaml": "pyyaml"}  # import name -> package name, where they differ
OPTIONAL = {"tensorboard"}  # without it there are no curves, and none are read back
ENTRY = "validation_ch7.section_7_6_rl_performance.entry"
SECTIONS = ("section_7_3", "section_7_6", "section_7_7")
LOADS_POLICIES = {"section_7_7"}  # of every algorithm, by the name in their cards
FOLDER = code_folder({"entry_point": ENTRY})


def _write(root: Path, text: str) -> Path:
    folder = root / "validation_ch7" / "section_7_6_rl_performance"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    return root


def test_requirements_are_read_as_one_pin_per_line(tmp_path: Path) -> None:
    root = _write(tmp_path, "# why\n\nStable_Baselines3==2.9.2  # the trainer\nnumpy==2.4.6\n")
    assert [str(need) for need in requirements_of(root, FOLDER)] == ["stable-baselines3==2.9.2", "numpy==2.4.6"]


def test_a_section_without_requirements_needs_nothing(tmp_path: Path) -> None:
    assert requirements_of(tmp_path, FOLDER) == ()
    assert requirements_of(tmp_path, PurePosixPath(".")) == ()


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "-r other.txt", "numpy==", "--index-url https://x", "a==1; b"])
def test_anything_but_a_pin_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(SessionRefused, match=r"section_7_6_rl_performance/requirements\.txt, line 1 reads") as refusal:
        requirements_of(_write(tmp_path, line + "\n"), FOLDER)
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("pin", "version", "met"),
    [("2.6.0", "2.6.0", True), ("2.6.0", "2.6.0+cu124", True), ("2.6.0", "2.6.1", False), ("2.6", "2.6.0", False)],
)
def test_a_local_build_of_the_pinned_version_meets_the_pin(pin: str, version: str, met: bool) -> None:
    assert Requirement(name="torch", version=pin).is_met_by(version) is met


@pytest.mark.parametrize("section", SECTIONS)
def test_the_pins_of_a_section_equal_the_constraints(section: str, project_root: Path) -> None:
    lines = (project_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    constraints = {canonical_name(name): version for name, version in pairs}
    needs = requirements_of(project_root, load_card(project_root / "configs/sections", section).code_folder)
    assert needs
    assert {need.name: need.version for need in needs} == {need.name: constraints[need.name] for need in needs}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_requires_exactly_the_packages_that_it_imports(section: str, project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", section)
    names = [name for name in CodeStore(project_root).bundle(card).names if name.endswith(".py")]
    imported: set[str] = set()
    for name in names:
        if name.startswith("orchestrator/kernel/"):
            continue
        for node in ast.walk(ast.parse((project_root / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module.split(".")[0])
    if card.algorithms.names or section in LOADS_POLICIES:
        imported |= {algorithm.library.split(".")[0] for algorithm in REGISTRY.values()}  # imported by its name
    imported = {PACKAGE_OF.get(name, name) for name in imported} - OPTIONAL
    foreign = imported - sys.stdlib_module_names - {"validation_ch7", "orchestrator"}
    needs = requirements_of(project_root, card.code_folder)
    assert {canonical_name(name) for name in foreign} == {need.name for need in needs}
