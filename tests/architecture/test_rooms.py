"""Rules of structure: small modules, short functions, no vague names, a kernel runtime without dependencies."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("orchestrator", "validation_ch7")
VAGUE = ("manager", "handler", "helper", "helpers", "utils", "misc", "common")
ALLOWED_NAMES = {"validation_kaggle_manager.py"}
TOP_LEVEL = {
    *("pyproject.toml", "orchestrator", "kernel_templates", "configs", "tests", "validation_ch7"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "LICENSE", "constraints.txt", "docs"),
    *(".ci", ".github", ".gitattributes", ".gitignore", "verify_checkpoint_system.py"),
}


def _modules(root: Path) -> list[Path]:
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py")) if "data" not in path.parts]


def test_top_level_holds_only_known_entries(project_root: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=project_root, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} <= TOP_LEVEL


def test_modules_have_at_most_260_lines(project_root: Path) -> None:
    large = {path.name: count for path in _modules(project_root) if (count := len(path.read_text().splitlines())) > 260}
    assert large == {}


def test_module_names_are_not_vague(project_root: Path) -> None:
    vague = [path for path in _modules(project_root) if path.stem in VAGUE or path.stem.split("_")[-1] in VAGUE]
    assert [path.name for path in vague if path.name not in ALLOWED_NAMES] == []


def test_functions_have_at_most_45_lines(project_root: Path) -> None:
    long = []
    for path in _modules(project_root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = node.end_lineno - body[0].lineno + 1 if body and node.end_lineno else 0
                if length > 45:
                    long.append(f"{path.name}:{node.name} {length}")
    assert long == []


@pytest.mark.parametrize(
    "module",
    [
        *("session.boot", "session.manifest", "session.reporting", "session.context"),
        *("checkpoint.save", "checkpoint.survey", "files.inputs", "environment.preflight", "training.session"),
    ],
)
def test_kernel_runtime_imports_on_a_bare_interpreter(project_root: Path, module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(project_root)!r}); import orchestrator.kernel.{module}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True)


_SMALLEST_PROGRAM = """
import typer
app = typer.Typer()
app.command("one")(lambda: None)
app.command("two")(lambda: None)
app(["--help"])
"""


def test_help_is_quick_and_imports_nothing_heavy(project_root: Path) -> None:
    code = (
        "import sys, orchestrator.cli.main as m; rc = m.main(['--help']); "
        "heavy = {'torch', 'numpy', 'kaggle', 'stable_baselines3', 'pydantic', 'yaml'} & set(sys.modules); "
        "sys.exit(rc or (9 if heavy else 0))"
    )
    # Seconds differ by a factor of two between computers, and on one with its load. The smallest program of the same
    # library is the measure: what this one adds of its own may take no longer than the library.
    ours, smallest = zip(
        *((_core_s(code, project_root), _core_s(_SMALLEST_PROGRAM, project_root)) for _ in range(5)), strict=True
    )
    assert 0.0 < min(ours) < 2.0 * min(smallest)


def _core_s(code: str, folder: Path) -> float:
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stderr
    return sum(after[2:4]) - sum(before[2:4])  # of ended children only, not of other workers


def test_outside_connections_are_blocked() -> None:
    # Check the guard itself: a test must not even try an outside address.
    assert socket.socket.connect.__name__ == "guarded_connect"
