"""What travels with a script: what Python would import from the script's folder and from the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def names(root: Path, script: str = "examples/train.py", include: Sequence[str] = ()) -> set[str]:
    """Files of the project that travel, without the runtime."""
    bundle = CodeStore(root).bundle(SectionCard(section="mine", script=script, include=tuple(include)))
    assert {"orchestrator/__init__.py", "orchestrator/kernel/session/script.py"} < set(bundle.names)
    return {name for name in bundle.names if not name.startswith("orchestrator/")}


def test_modules_of_the_scripts_folder_come_before_those_of_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "examples/train.py": "import beside\nimport shared.net\nimport both\nfrom lib import deep\n",
            "examples/beside.py": "import further\n",
            "examples/further.py": "",
            "examples/unused.py": "",
            "examples/both.py": "",
            "both.py": "",
            "shared/net.py": "from . import layers\n",
            "shared/layers.py": "",
            "shared/table.csv": "1\n",
            "lib/__init__.py": "",
            "lib/deep.py": "",
            "lib/data.json": "{}",
            "examples/lib/notes.txt": "a folder without __init__.py comes after every package of this name",
            "train.py": "",
        },
    )
    assert names(tmp_path) == {
        *("examples/train.py", "examples/beside.py", "examples/further.py", "examples/both.py"),
        *("shared/net.py", "shared/layers.py", "shared/table.csv", "lib/__init__.py", "lib/deep.py", "lib/data.json"),
    }


def test_a_script_at_the_root_takes_its_requirements_and_what_is_included(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train.py": "import numpy, torch\nimport agent\n",
            "agent.py": "",
            "requirements.txt": "numpy==2.4.6\n",
            "data/table.csv": "1\n",
            "data/other.csv": "1\n",
            "schema.py": "TABLES = 3\n",
        },
    )
    assert names(tmp_path, "train.py", ["data/table.*"]) == {
        *("train.py", "agent.py", "requirements.txt", "data/table.csv"),
    }


def test_a_change_beside_a_script_does_not_change_its_digest(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "import agent\n", "agent.py": "x = 1\n", "other.py": ""})
    card = SectionCard(section="mine", script="train.py")
    before = CodeStore(tmp_path).digest(card)
    write(tmp_path, {"other.py": "x = 2\n", "second.py": "import agent\n", "schema.py": "", "notes.txt": ""})
    assert CodeStore(tmp_path).digest(card) == before
    write(tmp_path, {"agent.py": "x = 2\n"})
    assert CodeStore(tmp_path).digest(card) != before


def test_the_code_of_two_scripts_is_frozen_separately(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "x = 1\n", "other.py": "x = 2\n"})
    frozen = FrozenCode(CodeStore(tmp_path))
    first, second = (SectionCard(section="mine", script=name) for name in ("train.py", "other.py"))
    assert frozen.digest(first) != frozen.digest(second)
    assert "other.py" in frozen.bundle(second).names and "other.py" not in frozen.bundle(first).names


@pytest.mark.parametrize(
    ("files", "message", "remedy"),
    [
        ({}, "there is no file examples/train.py below", "Correct the path."),
        ({"example/train.py": ""}, "there is no file examples/train.py below", "Did you mean example?"),
        ({"examples/Train.py": ""}, "there is no file examples/train.py below", "Did you mean examples/Train.py?"),
        ({"examples/train.py/x.txt": ""}, "train.py is not a file", "Correct `script`"),
        ({"examples/train.py": "from .agent import x\n", "examples/agent.py": ""}, "line 1: the relative import", ""),
        (
            {"examples/train.py": "", "examples/requirements.txt": "numpy==2.4.6\ntorch>=2\n"},
            "examples/requirements.txt, line 2 reads 'torch>=2'",
            "Write each line as name==version; `python -m pip freeze`",
        ),
        ({"examples/train.py": "def (\n"}, "examples/train.py, line 1: cannot be parsed", ""),
    ],
)
def test_a_script_that_cannot_run_is_refused_before_a_push(
    tmp_path: Path, files: Mapping[str, str], message: str, remedy: str
) -> None:
    write(tmp_path, files)
    with pytest.raises(BadInput) as fault:
        names(tmp_path)
    assert message in str(fault.value) and remedy in fault.value.remedy


def test_a_script_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/train.py": "", "project/notes.txt": ""})
    (tmp_path / "project/train.py").symlink_to(tmp_path / "elsewhere/train.py")
    with pytest.raises(BadInput, match="outside the project"):
        names(tmp_path / "project", "train.py")


@pytest.mark.parametrize(("text", "travels"), [("model = run.sb3(make)\n", True), ("model = make()\n", False)])
def test_the_code_for_stable_baselines3_travels_with_a_script_that_uses_it(
    tmp_path: Path, text: str, travels: bool
) -> None:
    write(tmp_path, {"train.py": text})
    bundle = CodeStore(tmp_path).bundle(SectionCard(section="mine", script="train.py"))
    assert any(name.startswith("orchestrator/sb3/") for name in bundle.names) is travels
