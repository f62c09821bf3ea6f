"""Reads a user's script, without running it, for what a new project needs to know of it."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.stores.session.import_statements import read_statements
from orchestrator.stores.yaml.text_files import read_text

_FACE, _SESSION = "orchestrator", "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserScript:
    """A script that a project shall train.

    Attributes:
        content: Its bytes.
        place: Its path below the project, with `/`.
        copied: Whether it lies outside of the project and is copied into it.
        has_session: Whether it calls `orchestrator.session()`.
        target: Number that it gives as `session(target=...)`, None without one.
        libraries: Top-level names that it imports, beyond the standard library and the files beside it.
        left_behind: Names of files and folders beside a copied script that it imports.
    """

    content: bytes
    place: str
    copied: bool
    has_session: bool
    target: int | None
    libraries: tuple[str, ...]
    left_behind: tuple[str, ...]

    @property
    def uses_sb3(self) -> bool:
        """Whether it trains with stable-baselines3."""
        return bool({"stable_baselines3", "sb3_contrib"} & set(self.libraries))


def read_script(project: Path, given: Path) -> UserScript:
    """Read a script.

    Args:
        project: The new project's folder, which need not exist.
        given: The script: relative to the current folder, or to the project.

    Raises:
        BadInput: There is no such file, or it is not Python.
    """
    path = given if given.exists() or not (project / given).exists() else project / given
    if path.suffix != ".py":
        raise BadInput(
            f"{path} is not a Python file", remedy="Give the script that you start with python, e.g. train.py."
        )
    tree = _parsed(path)
    top, own = project.resolve(), path.resolve()
    copied = not own.is_relative_to(top)
    names = _imported(path)
    beside = {name for name in names for one in (f"{name}.py", name) if (own.parent / one).exists()}
    calls = list(_session_calls(tree))
    targets = [word.value for call in calls for word in call.keywords if word.arg == "target"]
    numbers = [
        one.value for one in targets if isinstance(one, ast.Constant) and type(one.value) is int and one.value > 0
    ]
    return UserScript(
        content=path.read_bytes(),
        place=own.name if copied else own.relative_to(top).as_posix(),
        copied=copied,
        has_session=bool(calls),
        target=numbers[0] if numbers else None,
        libraries=tuple(sorted(names - beside - {_FACE} - sys.stdlib_module_names)),
        left_behind=tuple(sorted(_file_names(own.parent, beside) if copied else ())),
    )


def _parsed(path: Path) -> ast.Module:
    text = read_text(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the user's style
            return ast.parse(text)
    except (SyntaxError, ValueError) as fault:
        line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
        why = getattr(fault, "msg", fault)
        raise BadInput(f"{path}{line}: {why}", remedy="Correct the script; nothing was written.") from fault


def _imported(path: Path) -> set[str]:
    statements = read_statements(path.read_bytes())
    return {
        one.module.partition(".")[0] for one in statements.imports if one.module and not (one.level or one.optional)
    }


def _file_names(folder: Path, modules: set[str]) -> Iterator[str]:
    for name in modules:
        yield f"{name}/" if (folder / name).is_dir() else f"{name}.py"


def _session_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of `orchestrator.session`, under whatever name it is imported."""
    modules: set[str] = set()
    functions: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {one.asname or one.name for one in node.names if one.name == _FACE}
        elif isinstance(node, ast.ImportFrom) and node.module == _FACE and not node.level:
            functions |= {one.asname or one.name for one in node.names if one.name == _SESSION}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_session(node.func, modules, functions):
            yield node


def _is_session(called: ast.expr, modules: set[str], functions: set[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in functions
    owner = called.value if isinstance(called, ast.Attribute) and called.attr == _SESSION else None
    return isinstance(owner, ast.Name) and owner.id in modules
