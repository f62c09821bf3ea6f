"""Modules that a program chooses while it runs, data files of each kind, and links and folders that never travel."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.session.bundle_files import MOST_BYTES
from orchestrator.stores.session.code_bundle import CodeStore
from tests.doubles.toy_section import make_toy_project, toy_card

OWN = {"mypackage/__init__.py", "mypackage/train.py"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = make_toy_project(tmp_path / "project")
    for name in (
        "mypackage/__init__.py",
        "mypackage/near.py",
        "algos/__init__.py",
        "algos/dqn.py",
        "algos/more/ppo.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", encoding="utf-8")
    (root / "algos/more/__init__.py").write_text("", encoding="utf-8")
    return root


def _names(root: Path, source: str, include: tuple[str, ...] = ()) -> set[str]:
    (root / "mypackage/train.py").write_text(source, encoding="utf-8")
    card = dataclasses.replace(toy_card(root), entry_point="mypackage.train", include=include)
    names = {name for name in CodeStore(root).bundle(card).names if not name.startswith("orchestrator/")}
    assert names >= OWN
    return names - OWN


ALGOS = {"algos/__init__.py", "algos/dqn.py", "algos/more/__init__.py"}


@pytest.mark.parametrize(
    "name", ['f"algos.{name}"', '"algos." + name', '"algos.%s" % name', '"algos.{}".format(name)', 'f"algos.d{name}"']
)
def test_all_modules_of_a_package_travel_where_the_program_chooses_one(project: Path, name: str) -> None:
    assert _names(project, f"import importlib\nname = 'dqn'\nimportlib.import_module({name})\n") == ALGOS


@pytest.mark.parametrize(
    "name",
    [
        *(
            'f".{name}", __package__',
            '"." + name, package=__name__',
            'f"{__package__}.{name}"',
            '__name__ + "." + name',
        ),
        *("table[name], __package__", '"%s" % name, __package__'),
    ],
)
def test_all_modules_of_the_own_package_travel_where_the_program_chooses_one(project: Path, name: str) -> None:
    source = f"import importlib\nname, table = 'near', {{}}\nimportlib.import_module({name})\n"
    assert _names(project, source) == {"mypackage/near.py"}


@pytest.mark.parametrize("name", ["name", "settings.module", 'name + ".x"', 'f"{name}.dqn"'])
def test_a_name_that_is_not_written_adds_nothing(project: Path, name: str) -> None:
    assert _names(project, f"import importlib\nimportlib.import_module({name})\n") == set()


def test_packages_that_list_their_modules_travel_whole(project: Path) -> None:
    listed = "import pkgutil\nimport algos as known\nfor one in pkgutil.iter_modules(known.__path__): ...\n"
    assert _names(project, listed) == ALGOS
    assert _names(project, listed.replace("iter_modules", "walk_packages")) == {*ALGOS, "algos/more/ppo.py"}
    assert _names(project, "import pkgutil\npkgutil.iter_modules(__path__)\n") == {"mypackage/near.py"}
    (project / "algos/__init__.py").write_text("__all__ = [one for one in ()]\n", encoding="utf-8")
    assert _names(project, "from algos import *\n") == ALGOS
    (project / "algos/__init__.py").write_text("import lazy_loader\nlazy_loader.attach(__name__, ['dqn'])\n", "utf-8")
    assert _names(project, "from algos import DQN\n") == ALGOS


def test_module_without_a_package_may_list_modules(project: Path) -> None:
    (project / "single.py").write_text("import pkgutil\npkgutil.iter_modules(['x'])\n", encoding="utf-8")
    assert _names(project, "import single\n") == {"single.py"}


@pytest.mark.parametrize("suffix", ["yml", "yaml", "toml", "ini", "cfg", "jsonl", "tsv", "xml"])
def test_data_files_of_each_usual_kind_travel(project: Path, suffix: str) -> None:
    (project / f"mypackage/settings.{suffix}").write_text("1", encoding="utf-8")
    assert _names(project, "") == {f"mypackage/settings.{suffix}"}


def test_link_to_itself_is_named(project: Path) -> None:
    (project / "mypackage/table.csv").symlink_to("table.csv")
    with pytest.raises(BadInput, match="link that leads back to itself"):
        _names(project, "")


@pytest.mark.parametrize("pattern", [".git", ".git/**", ".orchestrator"])
def test_folder_of_git_and_own_folder_never_travel(project: Path, pattern: str) -> None:
    for name in (".git/config", ".orchestrator/ledger.sqlite"):
        (project / name).parent.mkdir()
        (project / name).write_text("x", encoding="utf-8")
    with pytest.raises(BadInput, match="matches no file"):
        _names(project, "", (pattern,))


def test_file_beyond_the_limit_is_refused_before_it_is_read(project: Path) -> None:
    with (project / "mypackage/data.csv").open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(BadInput, match=f"data.csv has {MOST_BYTES + 1} bytes; a file that travels"):
        _names(project, "")


@pytest.mark.parametrize("name", ["secrets.toml", "Secrets.yml", "client_secret_1.json", "service-account.json"])
def test_file_that_is_named_like_a_secret_is_refused(project: Path, name: str) -> None:
    (project / "mypackage" / name).write_text("a", encoding="utf-8")
    with pytest.raises(BadInput, match="name of a credential"):
        _names(project, "")


def test_a_name_that_is_not_utf_8_is_refused(project: Path) -> None:
    Path(os.fsdecode(bytes(project / "mypackage") + b"/\xff.csv")).write_text("a", encoding="utf-8")
    with pytest.raises(BadInput, match=r"mypackage/\\udcff.csv would travel with the code, and its name is not UTF-8"):
        _names(project, "")
