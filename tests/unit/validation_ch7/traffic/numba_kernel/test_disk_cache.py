"""Compiled code is read from disk only for the very same package, and a failing disk costs time only."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CALLER = """from validation_ch7.traffic.numba_kernel.callee import twice
from validation_ch7.traffic.numba_kernel.compile import compiled


@compiled
def caller(value):
    return twice(value) + 1.0
"""
CALLEE = """from validation_ch7.traffic.numba_kernel.compile import compiled


@compiled
def twice(value):
    return value * {factor}
"""
SINGLE = "from numpy import float32\nfrom val"
MAIN = """from validation_ch7.traffic.numba_kernel.caller import caller

print(caller(3.0), sum(caller.stats.cache_hits.values()))
"""


def _package(root: Path, project_root: Path, *, factor: float) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    kernel = root / "validation_ch7" / "traffic" / "numba_kernel"
    kernel.mkdir(parents=True)
    for folder in (kernel, kernel.parent, kernel.parent.parent):
        (folder / "__init__.py").write_text("")
    for name in ("compile.py", "disk_cache.py", "disk_entries.py"):
        shutil.copyfile(project_root / kernel.relative_to(root) / name, kernel / name)
    (kernel / "caller.py").write_text(CALLER)
    (kernel / "callee.py").write_text(CALLEE.format(factor=factor))
    os.utime(kernel / "caller.py", (1e9, 1e9))  # only numba's own locators look at the time
    (root / "main.py").write_text(MAIN)
    return root


def _run(root: Path, **variables: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CACHE")}
    command = [sys.executable, "main.py"]
    run = subprocess.run(command, cwd=root, env={**environ, **variables}, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_the_same_package_in_another_folder_is_not_compiled_again(tmp_path: Path, project_root: Path) -> None:
    cache = str(tmp_path / "cache")
    assert _run(_package(tmp_path / "one", project_root, factor=2.0), NUMBA_CACHE_DIR=cache) == "7.0 0"
    assert _run(_package(tmp_path / "other", project_root, factor=2.0), NUMBA_CACHE_DIR=cache) == "7.0 1"


def test_a_changed_callee_compiles_its_caller_again(tmp_path: Path, project_root: Path) -> None:
    cache = str(tmp_path / "cache")
    assert _run(_package(tmp_path / "code", project_root, factor=2.0), NUMBA_CACHE_DIR=cache) == "7.0 0"
    assert _run(_package(tmp_path / "code", project_root, factor=5.0), NUMBA_CACHE_DIR=cache) == "16.0 0"


def test_without_a_folder_of_its_own_the_code_is_kept_for_the_user(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    home = {name: str(tmp_path / "home") for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME")}
    assert [_run(code, **home) for _ in range(2)] == ["7.0 0", "7.0 1"]


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _zero_the_end(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-64] + bytes(64))


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize(
    "damage", [_cut, _zero_the_end, lambda file: file.write_bytes(b"")], ids=["cut", "zero", "empty"]
)
def test_a_damaged_file_is_compiled_and_replaced(
    tmp_path: Path, project_root: Path, ending: str, damage: Callable[[Path], object]
) -> None:
    code, cache = _package(tmp_path / "code", project_root, factor=2.0), tmp_path / "cache"
    assert _run(code, NUMBA_CACHE_DIR=str(cache)) == "7.0 0"
    for file in cache.rglob(f"caller.*.{ending}"):
        damage(file)
    assert [_run(code, NUMBA_CACHE_DIR=str(cache)) for _ in range(2)] == ["7.0 0", "7.0 1"]


def test_a_folder_that_cannot_be_made_costs_time_only(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    (tmp_path / "file").touch()
    for _ in range(2):
        assert _run(code, NUMBA_CACHE_DIR=str(tmp_path / "file")) == "7.0 0"


def test_a_full_disk_costs_time_only(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    # A limit of the size of a file fails like a full disk: at the write.
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    (code / "main.py").write_text(limit + MAIN)
    for _ in range(2):
        assert _run(code, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "7.0 0"


def test_code_of_another_signature_is_never_used(tmp_path: Path, project_root: Path) -> None:
    """Numba writes the index before the code. If only the first succeeds, the index names the file of another one."""
    code, cache = _package(tmp_path / "code", project_root, factor=2.0), tmp_path / "cache"
    (code / "main.py").write_text(MAIN.replace("caller(3.0)", "caller(float32(3.1))").replace("from val", SINGLE, 1))
    double = tmp_path / "double"
    shutil.copytree(code, double)
    (double / "main.py").write_text(MAIN)
    expected = _run(code, NUMBA_CACHE_DIR=str(tmp_path / "other"))
    assert _run(double, NUMBA_CACHE_DIR=str(cache)) == "7.0 0"
    files = sorted(cache.rglob("*.nbc"))
    of_doubles = {path: path.read_bytes() for path in files}
    for index in cache.rglob("*.nbi"):
        index.unlink()
    assert _run(code, NUMBA_CACHE_DIR=str(cache)) == expected
    for path, content in of_doubles.items():  # as if these writes had failed
        path.write_bytes(content)
    assert _run(code, NUMBA_CACHE_DIR=str(cache)) == expected


def test_a_relative_folder_is_not_used(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    assert [_run(code, NUMBA_CACHE_DIR="cache") for _ in range(2)] == ["7.0 0"] * 2
    assert not (code / "cache").exists()


def test_a_numba_without_its_private_classes_compiles(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    (code / "main.py").write_text("import numba.core.caching\ndel numba.core.caching.IndexDataCacheFile\n" + MAIN)
    assert _run(code, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "7.0 0"
