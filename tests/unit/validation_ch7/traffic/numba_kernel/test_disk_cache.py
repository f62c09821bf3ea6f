"""Compiled code is read from disk only for the very same package: a changed callee compiles its callers again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCATOR = "validation_ch7.traffic.numba_kernel.disk_cache.PackageLocator,UserProvidedCacheLocator"
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
MAIN = """from validation_ch7.traffic.numba_kernel.caller import caller

print(caller(3.0), sum(caller.stats.cache_hits.values()))
"""


def _package(root: Path, project_root: Path, *, factor: float) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    kernel = root / "validation_ch7" / "traffic" / "numba_kernel"
    kernel.mkdir(parents=True)
    for folder in (kernel, kernel.parent, kernel.parent.parent):
        (folder / "__init__.py").write_text("")
    for name in ("compile.py", "disk_cache.py"):
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
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_CACHE_LOCATOR_CLASSES": LOCATOR}
    assert _run(_package(tmp_path / "one", project_root, factor=2.0), **variables) == "7.0 0"
    assert _run(_package(tmp_path / "other", project_root, factor=2.0), **variables) == "7.0 1"


def test_a_changed_callee_compiles_its_caller_again(tmp_path: Path, project_root: Path) -> None:
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_CACHE_LOCATOR_CLASSES": LOCATOR}
    assert _run(_package(tmp_path / "code", project_root, factor=2.0), **variables) == "7.0 0"
    assert _run(_package(tmp_path / "code", project_root, factor=5.0), **variables) == "16.0 0"


def test_nothing_is_kept_unless_both_variables_ask_for_it(tmp_path: Path, project_root: Path) -> None:
    code = _package(tmp_path / "code", project_root, factor=2.0)
    for _ in range(2):
        assert _run(code, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "7.0 0"
    assert not (tmp_path / "cache").exists()
