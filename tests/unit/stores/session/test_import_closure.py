"""What travels is what is used: the import closure of the entry point, its data, and what the card includes."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode
from tests.conftest import PROJECT_ROOT
from tests.doubles.toy_section import make_toy_project, toy_card

SECTION = "validation_ch7/section_7_6_rl_performance"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _card(root: Path, entry_point: str, include: Sequence[str] = ()) -> SectionCard:
    return dataclasses.replace(toy_card(root), entry_point=entry_point, include=tuple(include))


def _names(root: Path, entry_point: str = "mypackage.train", include: Sequence[str] = ()) -> set[str]:
    """Files of the project that travel, without the runtime."""
    bundle = CodeStore(root).bundle(_card(root, entry_point, include))
    assert {"orchestrator/__init__.py", "orchestrator/kernel/session/boot.py"} < set(bundle.names)
    return {name for name in bundle.names if not name.startswith("orchestrator/")}


def test_a_new_section_beside_another_changes_nothing_for_it(project: Path) -> None:
    before = CodeStore(project).bundle(toy_card(project))
    _write(
        project,
        {
            "validation_ch7/section_8/__init__.py": "",
            "validation_ch7/section_8/entry.py": "from orchestrator.sb3 import loop\ndef run(context): ...\n",
            "validation_ch7/section_8/settings.yaml": "a: 1\n",
            "validation_ch7/section_8/tables/a.csv": "1\n",
            "validation_ch7/section_9/notes.txt": "not code yet",
            "validation_ch7/broken.py": "def (",
            "mypackage/train.py": "",
            "train.py": "",
            "notes.txt": "",
        },
    )
    (project / "validation_ch7/section_10").symlink_to(project.parent)
    after = CodeStore(project).bundle(toy_card(project))
    assert after == before and after.archive == before.archive
    other = CodeStore(project).bundle(_card(project, "validation_ch7.section_8.entry"))
    assert other.digest != before.digest
    assert {"validation_ch7/section_8/settings.yaml", "validation_ch7/section_8/tables/a.csv"} < set(other.names)
    assert f"{SECTION}/entry.py" not in other.names
    assert "orchestrator/sb3/loop.py" in other.names and "orchestrator/sb3/loop.py" not in before.names
    assert "orchestrator/sb3/resume_proof/runner.py" not in other.names


def test_only_a_change_of_an_imported_file_changes_the_digest(project: Path) -> None:
    _write(project, {"mypackage/train.py": "from mypackage import used\n", "mypackage/used.py": "import numpy\n"})
    _write(project, {"mypackage/unused.py": "x = 1\n"})
    card = _card(project, "mypackage.train")
    before = CodeStore(project).digest(card)
    _write(project, {"mypackage/unused.py": "x = 2\n"})
    assert CodeStore(project).digest(card) == before == CodeStore(project).bundle(card).digest
    _write(project, {"mypackage/used.py": "import torch\n"})
    assert CodeStore(project).digest(card) != before


IMPORTS = {
    "import": ("import mypackage.a", {"mypackage/a.py"}),
    "import of several": ("import numpy, mypackage.a as q", {"mypackage/a.py"}),
    "from": ("from mypackage.a import x", {"mypackage/a.py"}),
    "from package": ("from mypackage import a", {"mypackage/a.py"}),
    "relative": ("from . import a", {"mypackage/a.py"}),
    "relative module": ("from .a import x", {"mypackage/a.py"}),
    "nested": ("from .deep.er import b", {f"mypackage/deep/{one}.py" for one in ("__init__", "er/__init__", "er/b")}),
    "in a function": ("def f():\n    async def g():\n        from . import a", {"mypackage/a.py"}),
    "in a class": ("class C:\n    from . import a", {"mypackage/a.py"}),
    "in branches": ("try:\n    import torch\nexcept ImportError:\n    from . import a", {"mypackage/a.py"}),
    "in a match": ("match 1:\n    case 1:\n        from . import a", {"mypackage/a.py"}),
    "star": ("from .stars import *", {"mypackage/stars/__init__.py", "mypackage/stars/one.py"}),
    "else of type checking": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b\nelse:\n    from . import a",
        {"mypackage/a.py"},
    ),
    "not type checking": (
        "import typing as t\nif not t.TYPE_CHECKING:\n    from . import a\nelse:\n    from . import b",
        {"mypackage/a.py"},
    ),
    "import_module": ("import importlib\nm = importlib.import_module('mypackage.a')", {"mypackage/a.py"}),
    "relative import_module": (
        "from importlib import import_module\nm = import_module('.a', __package__)",
        {"mypackage/a.py"},
    ),
    "import_module of a package": (
        "from importlib import import_module\nm = import_module('.er', package='mypackage.deep')",
        {"mypackage/deep/__init__.py", "mypackage/deep/er/__init__.py"},
    ),
    "__import__": ("m = __import__('mypackage.a')", {"mypackage/a.py"}),
    "module and object": ("register(id='x', entry_point='mypackage.a:Env')", {"mypackage/a.py"}),
    "module of an environment": ("env = gym.make('mypackage.a:My-Env-v0')", {"mypackage/a.py"}),
    "third party": ("import numpy.random\nfrom torch import nn\nimport wandb\nfrom runs import x", set()),
    "absent optional": ("try:\n    from ._fast import x\nexcept (ImportError, OSError):\n    x = None", set()),
    "suppressed": ("import contextlib\nwith contextlib.suppress(ImportError):\n    from ._fast import x", set()),
    "namespace": ("from plain import mod", {"plain/mod.py", "plain/table.csv"}),
    "root module": ("import lonely", {"lonely.py"}),
    "names in the package": ("from . import value, late", {"mypackage/a.py"}),
    "data by name": ("from importlib.resources import files\nfiles('mypackage.store')", {
        "mypackage/store/__init__.py", "mypackage/store/x.json"}),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "further"), IMPORTS.values(), ids=list(IMPORTS))
def test_each_form_of_import_is_followed(project: Path, statement: str, further: set[str]) -> None:
    package = "from .a import late\nvalue = 1\n" if "value" in statement else ""
    _write(
        project,
        {
            "mypackage/__init__.py": package,
            "mypackage/train.py": statement + "\n",
            "mypackage/a.py": "late = x = 1\n",
            "mypackage/b.py": "",
            "mypackage/deep/__init__.py": "",
            "mypackage/deep/er/__init__.py": "b = 1\n" if "import_module" in statement else "from . import b\n",
            "mypackage/deep/er/b.py": "",
            "mypackage/stars/__init__.py": "__all__ = ['one', 'absent']\n__all__ += []\n",
            "mypackage/stars/one.py": "",
            "mypackage/stars/two.py": "",
            "mypackage/store/__init__.py": "",
            "mypackage/store/x.json": "{}",
            "plain/mod.py": "",
            "plain/table.csv": "1",
            "lonely.py": "",
            "wandb/run-1/config.yaml": "a: 1",
            "runs/log.txt": "",
        },
    )
    if "import_module('.er'" in statement:
        (project / "mypackage/deep/er/b.py").unlink()
    assert _names(project) == {"mypackage/__init__.py", "mypackage/train.py"} | further


@pytest.mark.parametrize(
    ("name", "text", "line", "cause"),
    [
        ("mypackage/train.py", "import os\n\nfrom .absent import x\n", 3, "finds no module mypackage.absent"),
        ("mypackage/train.py", "def f():\n    from . import absent\n", 2, "finds no absent in mypackage"),
        ("mypackage/train.py", "from ... import x\n", 1, "leaves the package"),
        ("mypackage/train.py", "import importlib\nimportlib.import_module('.no', __package__)\n", 2, "mypackage.no"),
        ("mypackage/sub/other.py", "\n\n\n\nfrom ..gone.deep import x\n", 5, "finds no module mypackage.gone.deep"),
        ("mypackage/sub/other.py", "x = 1\nnot ( Python\n", 2, "cannot be parsed"),
    ],
)
def test_an_import_that_cannot_work_is_refused_with_file_and_line(
    project: Path, name: str, text: str, line: int, cause: str
) -> None:
    _write(project, {"mypackage/__init__.py": "", "mypackage/sub/__init__.py": "", "mypackage/sub/other.py": ""})
    _write(project, {"mypackage/train.py": "from mypackage.sub import other\n"} | {name: text})
    for act in (CodeStore(project).bundle, CodeStore(project).digest):
        with pytest.raises(BadInput) as fault:
            act(_card(project, "mypackage.train"))
        assert f"{name}, line {line}: " in str(fault.value) and cause in str(fault.value) and fault.value.remedy


def test_a_relative_import_in_a_module_without_package_is_refused(project: Path) -> None:
    _write(project, {"train.py": "from . import other\n", "other.py": ""})
    with pytest.raises(BadInput, match=r"train\.py, line 1: the relative import of \. leaves the package"):
        CodeStore(project).bundle(_card(project, "train"))


@pytest.mark.parametrize("entry_point", ["absent", "mypackage.absent", "mypackage", "os.path", "Mypackage.train"])
def test_an_entry_point_that_is_absent_is_refused_with_the_remedy(project: Path, entry_point: str) -> None:
    _write(project, {"mypackage/train.py": ""})
    with pytest.raises(BadInput, match=f"no module {entry_point} below") as fault:
        CodeStore(project).bundle(_card(project, entry_point))
    assert "entry_point" in fault.value.remedy


def test_a_circle_of_imports_ends(project: Path) -> None:
    _write(project, {"mypackage/train.py": "from . import b\n", "mypackage/b.py": "from . import train\n"})
    assert _names(project) == {"mypackage/train.py", "mypackage/b.py"}


def test_data_files_of_imported_packages_travel_and_no_others(project: Path) -> None:
    _write(
        project,
        {
            "mypackage/train.py": "from .net import model\n",
            "mypackage/net/model.py": "",
            "mypackage/net/sizes.yaml": "",
            "mypackage/maps/city/a.json": "{}",
            "mypackage/maps/city/a.npz": "",
            "mypackage/other/code.py": "",
            "mypackage/other/b.csv": "",
            "mypackage/.hidden/c.json": "",
            "mypackage/requirements.txt": "",
            "mypackage/readme.md": "",
        },
    )
    assert _names(project) == {
        *("mypackage/train.py", "mypackage/net/model.py", "mypackage/net/sizes.yaml"),
        *("mypackage/maps/city/a.json", "mypackage/requirements.txt"),
    }


def test_the_requirements_beside_a_single_script_travel(project: Path) -> None:
    _write(project, {"train.py": "", "requirements.txt": "numpy==2.4.6\n", "settings.yaml": "", ".env": "A=1"})
    assert _names(project, "train") == {"train.py", "requirements.txt"}


def test_included_files_travel_with_what_they_import(project: Path) -> None:
    _write(
        project,
        {
            "train.py": "",
            "plugins/one.py": "import shared\n",
            "plugins/two-words.py": "",
            "shared.py": "",
            "assets/net.npz": "x",
            "assets/deep/map.bin": "y",
            "assets/.cache/z.bin": "",
            "assets/__pycache__/q.pyc": "",
            "validation_output/results/r.json": "",
            ".orchestrator/own.json": "",
            f"{SECTION}/data/models/m.json": "",
        },
    )
    include = ("plugins/*.py", "assets", "settings/**/*.toml")
    _write(project, {"settings/a.toml": "", "settings/b/c.toml": ""})
    assert _names(project, "train", include) == {
        *("train.py", "plugins/one.py", "plugins/two-words.py", "shared.py", "assets/net.npz", "assets/deep/map.bin"),
        *("settings/a.toml", "settings/b/c.toml"),
    }
    assert _names(project, "train", ["**/*.json"]) == {"train.py", f"{SECTION}/behaviour.json"}
    for pattern in ("absent/*.json", "validation_output/**/*.json", f"{SECTION}/data/**/*.json", "orchestrator/*.py"):
        with pytest.raises(BadInput, match="matches no file"):
            CodeStore(project).bundle(_card(project, "train", [pattern]))


@pytest.mark.parametrize("pattern", [".env", "assets/*", "assets", "**/*.json"])
def test_an_included_credential_is_refused(project: Path, pattern: str) -> None:
    _write(project, {"train.py": "", "assets/kaggle.json": "{}", ".env": "A=1"})
    with pytest.raises(BadInput, match="name of a credential"):
        CodeStore(project).bundle(_card(project, "train", [pattern]))


@pytest.mark.parametrize("pattern", ["assets/*", "assets/notes.dat", "assets", "linked/*", "linked"])
def test_an_included_link_out_of_the_project_is_refused(project: Path, tmp_path: Path, pattern: str) -> None:
    _write(tmp_path, {"elsewhere/notes.dat": "private"})
    _write(project, {"train.py": "", "assets/own.dat": ""})
    (project / "assets/notes.dat").symlink_to(tmp_path / "elsewhere/notes.dat")
    (project / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="outside the project"):
        CodeStore(project).bundle(_card(project, "train", [pattern]))


def test_an_imported_link_out_of_the_project_is_refused(project: Path, tmp_path: Path) -> None:
    _write(tmp_path, {"elsewhere/lib.py": "", "elsewhere/pack/mod.py": ""})
    _write(project, {"mypackage/train.py": "from . import lib\n", "train.py": "from mypackage.pack import mod\n"})
    (project / "mypackage/lib.py").symlink_to(tmp_path / "elsewhere/lib.py")
    (project / "lib.py").symlink_to(tmp_path / "elsewhere/lib.py")
    for entry_point in ("mypackage.train", "lib"):
        with pytest.raises(BadInput, match=r"lib\.py is a link to .* outside the project"):
            CodeStore(project).bundle(_card(project, entry_point))
    (project / "mypackage/lib.py").unlink()
    (project / "mypackage/pack").symlink_to(tmp_path / "elsewhere/pack")
    with pytest.raises(BadInput, match=r"pack is a link to .* outside the project"):
        CodeStore(project).bundle(_card(project, "train"))


def test_the_key_include_does_not_change_the_lineage(project: Path) -> None:
    assert _card(project, "train", ["assets/*"]).lineage.id == toy_card(project).lineage.id


def test_the_packed_code_imports_alone(project: Path, tmp_path: Path) -> None:
    _write(project, {"train.py": "import mypackage.a\nfrom orchestrator.kernel.outcome import SectionOutcome\n"})
    _write(project, {"mypackage/__init__.py": "from . import b\n", "mypackage/a.py": "", "mypackage/b.py": ""})
    bundle = CodeStore(project).bundle(_card(project, "train"))
    zipfile.ZipFile(io.BytesIO(bundle.archive)).extractall(tmp_path / "session")
    words = [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import train", "."]
    assert subprocess.run(words, cwd=tmp_path / "session", check=False).returncode == 0


def test_a_program_reads_the_code_of_each_section_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(project, {"train.py": "", "other.py": "x = 1\n"})
    cards = [_card(project, name, include) for name in ("train", "other") for include in ((), ("other.py",))]
    read: list[str] = []
    contents = CodeStore._contents

    def counted(store: CodeStore, card: SectionCard) -> tuple[dict[str, bytes], tuple[str, ...]]:
        read.append(card.entry_point)
        return contents(store, card)

    monkeypatch.setattr(CodeStore, "_contents", counted)
    code = FrozenCode(CodeStore(project))
    digests = [code.digest(card) for _ in range(1000) for card in cards]
    assert len(read) == 4 and len(set(digests)) == 3
    assert [code.bundle(card).digest for _ in range(1000) for card in cards] == digests
    assert len(read) == 8


def test_libraries_are_what_the_code_imports_when_it_is_loaded(project: Path) -> None:
    _write(
        project,
        {
            "train.py": "import os, numpy.linalg\nfrom other import x\n"
            "try:\n    import numba\nexcept ImportError:\n    numba = None\n"
            "def late():\n    import torch, lazy\n",
            "lazy.py": "import scipy\n",
            "other.py": "from gymnasium.spaces import Box\nx = 1\n",
        },
    )
    assert CodeStore(project).bundle(_card(project, "train")).libraries == ("gymnasium", "numpy")


def test_libraries_that_every_call_of_the_entry_point_imports_count(project: Path) -> None:
    text = """
import numpy

class Other:
    def run(self):
        import scipy

async def later():
    import pandas

def run(context):
    from other import x
    with context:
        import torch
    try:
        import sb3_contrib
    except ImportError:
        import tensorboard
    try:
        import gymnasium
    finally:
        pass
    if context.plots:
        import matplotlib
    for one in context:
        import plotly
    def helper():
        import numba
"""
    files = {"train.py": text, "other.py": "import stable_baselines3\nx = 1\ndef run():\n    import jax\n"}
    _write(project, files)
    libraries = CodeStore(project).bundle(_card(project, "train")).libraries
    assert libraries == ("gymnasium", "numpy", "stable_baselines3", "torch")
    script = dataclasses.replace(_card(project, "train"), entry_point=None, script="train.py")
    assert CodeStore(project).bundle(script).libraries == ("numpy",)


def test_in_site_packages_only_the_named_packages_travel(project: Path) -> None:
    _write(project, {"numpy/__init__.py": "", "validation_ch7/traffic.py": "import numpy\n"})
    card = _card(project, "validation_ch7.traffic")
    assert "numpy/__init__.py" in CodeStore(project).bundle(card).names
    bundle = CodeStore(project, packages=("validation_ch7",)).bundle(card)
    assert "numpy/__init__.py" not in bundle.names and bundle.libraries == ("numpy",)


def test_code_for_models_travels_with_a_script_that_uses_run_sb3(project: Path) -> None:
    before = CodeStore(project).bundle(toy_card(project))
    helper = "def model(run):\n    from sb3_contrib import QRDQN\n    return run.sb3(QRDQN)\n"
    _write(project, {"mypackage/train.py": "import orchestrator\nimport helper\n", "helper.py": helper})
    names = CodeStore(project).bundle(_card(project, "mypackage.train")).names
    assert {"orchestrator/sb3/script/learning.py", "orchestrator/sb3/checkpoint/resume.py"} < set(names)
    assert "orchestrator/sb3/loop.py" not in names and "orchestrator/sb3/resume_proof/runner.py" not in names
    for text in ("import orchestrator\n", "import stable_baselines3\n"):
        _write(project, {"mypackage/train.py": text})
        names = CodeStore(project).bundle(_card(project, "mypackage.train")).names
        assert not any(name.startswith("orchestrator/sb3") for name in names), text
    assert CodeStore(project).bundle(toy_card(project)) == before


def test_section_7_6_does_not_carry_the_code_for_scripts() -> None:
    names = CodeStore(PROJECT_ROOT).bundle(toy_card(PROJECT_ROOT)).names
    assert "orchestrator/sb3/loop.py" in names
    assert not any(name.startswith("orchestrator/sb3/script/") for name in names)
