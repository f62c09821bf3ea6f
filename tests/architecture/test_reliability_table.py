"""docs/RELIABILITY.md: each fault has a test that exists, a line that the program prints, and its exit code."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.core import errors
from tests.conftest import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "RELIABILITY.md"
_COUNTS = {"K": 26, "S": 15, "F": 39}
NUMBERS = [f"{letter}{number}" for letter, count in _COUNTS.items() for number in range(1, count + 1)]
"""Facts about Kaggle, faults of Slurm and SSH, then faults found by attacks and reports."""
NO_LINE = "no line"
"""Where nothing is wrong for the user, so that nothing is printed."""
SHORTEST = 8
"""Characters of a text that identify a message."""


@dataclass(frozen=True, slots=True)
class Row:
    number: str
    lines: tuple[str, ...]
    codes: frozenset[int]
    tests: tuple[str, ...]


@functools.cache
def rows() -> tuple[Row, ...]:
    return tuple(_read(PAGE.read_text(encoding="utf-8")))


def _read(page: str) -> Iterator[Row]:
    for text in re.findall(r"^\| ([KSF]\d+ \|.*) \|$", page, re.MULTILINE):
        number, _, _, lines, codes, tests = (cell.strip() for cell in text.split(" | "))
        quoted = tuple(re.findall(r"`([^`]+)`", lines))
        assert quoted or lines == NO_LINE, number
        yield Row(
            number,
            quoted,
            frozenset(map(int, re.findall(r"\d+", codes))),
            tuple(re.findall(r"`([\w/]+\.py::\w+)`", tests)),
        )


def fragments(line: str) -> list[str]:
    """The fixed parts of a line, without the values in `{...}`, the punctuation around them, and its usual start."""
    own = re.sub(r"^(Error|Problem|Session refused): |^\[CHECKPOINT\] ", "", line)
    parts = (part.strip(" .,:;()'\"") for part in re.split(r"\{\w+\}|; ", own))
    return [part for part in parts if len(part) >= SHORTEST]


@functools.cache
def source() -> str:
    """All code that prints, with literals that stand one below the other joined."""
    folders = (PROJECT_ROOT / "orchestrator", PROJECT_ROOT / "validation_ch7")
    texts = (path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    return re.sub(r'"\n\s*f?"', "", "\n".join(texts))


@functools.cache
def tree(path: str) -> ast.Module:
    return ast.parse((PROJECT_ROOT / path).read_text(encoding="utf-8"))


def function(test: str) -> ast.FunctionDef | None:
    path, _, name = test.partition("::")
    if not (PROJECT_ROOT / path).is_file():
        return None
    return next((one for one in ast.walk(tree(path)) if isinstance(one, ast.FunctionDef) and one.name == name), None)


def constants(test: str) -> set[object]:
    """Values and names in a test, in its decorators, and in the variables and functions of the module that it uses."""
    path = test.partition("::")[0]
    top: dict[str, ast.stmt] = {}
    for one in tree(path).body:
        for target in one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]:
            if isinstance(target, ast.Name):
                top[target.id] = one
        if isinstance(one, ast.FunctionDef):
            top[one.name] = one
    waiting: list[ast.AST] = [node for node in [function(test)] if node is not None]
    seen, found = set[str](), set[object]()
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.Constant):
                found.add(node.value)
            elif isinstance(node, ast.Name):
                found.add(node.id)
                if node.id in top and node.id not in seen:
                    seen.add(node.id)
                    waiting.append(top[node.id])
    return found


def is_checked(line: str, test: str) -> bool:
    """Whether a test holds a part of the line; a pattern of `match=` is compared without its backslashes."""
    plain = (re.sub(r"\\(.)", r"\1", text) for text in constants(test) if isinstance(text, str))
    parts = fragments(line)
    return any(len(text) >= SHORTEST and any(text in part or part in text for part in (line, *parts)) for text in plain)


def has_code(code: int, test: str) -> bool:
    """Whether a test holds an exit code, or names an error that ends with it."""
    kinds = {
        name for name, kind in inspect.getmembers(errors, inspect.isclass) if getattr(kind, "exit_code", 0) == code
    }
    found = constants(test)
    return code in found or bool(kinds & {one for one in found if isinstance(one, str)})


def test_every_fault_has_a_row() -> None:
    assert [row.number for row in rows()] == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_each_row_is_true(number: str) -> None:
    row = next(one for one in rows() if one.number == number)
    assert row.tests
    for test in row.tests:
        assert function(test) is not None, test
    for line in row.lines:
        assert fragments(line), line
        for part in fragments(line):
            assert part in source(), part
        assert any(is_checked(line, test) for test in row.tests), line
    assert row.codes
    for code in row.codes - {0}:
        assert code != errors.EXIT_OUR_BUG
        assert any(has_code(code, test) for test in row.tests), code
