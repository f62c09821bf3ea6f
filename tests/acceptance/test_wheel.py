"""The installed wheel, in an environment outside of the clone: it holds everything, and runs without a project."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.installed_wheel import PACKED, Installed, build, copied_sources, install

SHIPPED = "orchestrator/stores/shipped"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = sources / "validation_ch7/section_7_6_rl_performance"
    for name in ("data/metrics/a.json", "trials/0123abcd/data/b.csv"):  # a clone in which trainings ran
        (outputs / name).parent.mkdir(parents=True)
        (outputs / name).write_text("{}", encoding="utf-8")
    return build(sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "vide, été"
    folder.mkdir()
    return folder


def _members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_wheel_holds_every_file_of_its_packages_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKED],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.splitlines() if (PROJECT_ROOT / name).is_file()]
    expected = {name.replace("configs/", f"{SHIPPED}/", 1) if name.startswith("configs/") else name for name in names}
    assert set(_members(wheel)) == expected
    assert not any(name.startswith("configs") for name in _members(wheel))


def test_sdist_builds_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(sources, tmp_path / "sdist", "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert _members(build(unpacked, tmp_path / "wheel")) == _members(wheel)


def test_packages_come_from_the_wheel(installed: Installed, empty: Path) -> None:
    code = "import sys; print(*(__import__(name).__file__ for name in sys.argv[1:]), sep=chr(10))"
    done = installed.python(empty, "-c", code, "kernel_templates", "orchestrator", "validation_ch7")
    assert [Path(line).parent.parent for line in done.out.splitlines()] == [installed.site_packages] * 3, done.err
    assert installed.python(empty, "-c", "import configs").code == 1


@pytest.mark.parametrize("module", [False, True], ids=["orchestrator", "python -m orchestrator"])
def test_shipped_section_runs_outside_of_a_project(installed: Installed, empty: Path, module: bool) -> None:
    shown = installed.orchestrate(empty, "run", "section_7_6", "--quick", "--dry-run", "--json", module=module)
    assert shown.code == 0, shown.err
    assert (
        shown.err.splitlines()[1] == f"No project here: a section of this installation, with checkpoints below {empty}"
    )
    in_clone = orchestrate(PROJECT_ROOT, "run", "section_7_6", "--quick", "--dry-run", "--json")
    for key in ("bundle_digest", "lineage_id"):
        assert shown.json["ticket"][key] == in_clone.json["ticket"][key]
    assert "section_7_6 " in installed.orchestrate(empty, "sections", module=module).out
    assert list(empty.iterdir()) == []


def test_commands_without_a_section_work(installed: Installed, empty: Path) -> None:
    import orchestrator

    assert installed.orchestrate(empty, "--version").out.strip() == f"orchestrator {orchestrator.__version__}"
    completed = installed.orchestrate(
        empty, _ORCHESTRATOR_COMPLETE="complete_bash", COMP_WORDS="orchestrator ren", COMP_CWORD="1"
    )
    assert completed.out.split() == ["render"], completed
    assert "smoke" in installed.orchestrate(empty, "campaign", "plan", "nothing").err
    assert installed.orchestrate(empty, "campaign", "plan", "smoke").code == 0
    wrong = installed.orchestrate(empty, "run", "mine", "--json")
    assert (
        wrong.code == 2 and "no project here" in wrong.json["error"] and "orchestrator init DIR" in wrong.json["remedy"]
    )
    inside = installed.orchestrate(installed.site_packages, "sections")
    assert inside.code == 2 and "installed packages" in inside.err


@pytest.mark.prove
def test_wheel_brings_its_libraries_from_the_index(wheel: Path, tmp_path: Path) -> None:
    environment = Installed(tmp_path / "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment.root)], check=True)
    python = str(environment.scripts / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(PROJECT_ROOT / "constraints.txt"), str(wheel)], check=True)
    assert environment.orchestrate(tmp_path, "init", "new").code == 0
    ran = environment.orchestrate(tmp_path / "new", "run", "new", "--quick", "--json")
    assert (ran.code, ran.json["steps_done"]) == (0, 20_000), ran.err
    lacking = environment.orchestrate(tmp_path, "run", "section_7_6", "--quick", "--json")
    assert lacking.code == 2 and "python -m pip install gymnasium" in lacking.json["remedy"]
