"""Everything from outside is read in one room: no other module parses JSON or YAML, or opens a zip, by itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "orchestrator"
OWN = {
    "kernel/reading/json_text.py": {"json.loads"},
    "kernel/reading/archive.py": {"zipfile.ZipFile", "zipfile.is_zipfile"},
    "kernel/algorithms/registry.py": {"json.loads"},  # a file of this package
    "stores/yaml/schema_faults.py": {"json.loads"},  # a copy of values that were read
    "stores/proof/records.py": {"json.loads"},  # the same
    "kernel/training/kept_state/rules/tables.py": {"marshal.loads"},  # a copy of values of this process
    "sb3/state/sb3_zip.py": {"zipfile.ZipFile"},  # the zip that the library has just written
    # Searches what leaves, damaged files too, with a limit on all that it unpacks.
    "stores/secrets/content.py": {"zipfile.ZipFile", "zipfile.is_zipfile", "tarfile.open"},
    "core/session/script.py": {"ast.literal_eval"},  # the ticket in a script, checked as every ticket
}
"""File -> what it may call: the readers themselves, and what does not come from outside."""
READERS = frozenset(
    {
        *("json.load", "json.loads", "json.JSONDecoder", "ast.literal_eval", "zipfile.is_zipfile", "zipfile.ZipFile"),
        *("yaml.load", "yaml.load_all", "yaml.safe_load", "yaml.safe_load_all", "yaml.unsafe_load", "yaml.full_load"),
        *("tarfile.open", "pickle.load", "pickle.loads", "marshal.loads", "tomllib.load", "tomllib.loads"),
    }
)


def calls(path: Path) -> Iterator[str]:
    """Readers that a module calls; a zip that is opened to be written is left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or (name := ast.unparse(node.func)) not in READERS:
            continue
        written = name == "zipfile.ZipFile" and len(node.args) > 1 and ast.unparse(node.args[1]) == "'w'"
        if not written:
            yield name


def test_only_the_reader_reads() -> None:
    found = {path.relative_to(PACKAGE).as_posix(): set(calls(path)) for path in PACKAGE.rglob("*.py")}
    found = {name: used for name, used in found.items() if used}
    assert found == OWN


@pytest.mark.parametrize("line", ["json.loads(text)", "zipfile.ZipFile(path)", "zipfile.ZipFile(path, 'r')"])
def test_the_search_finds_a_reader(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.py"
    path.write_text(f"a = {line}\nwith zipfile.ZipFile(path, 'w') as b: pass\n", encoding="utf-8")
    assert list(calls(path)) == [line.partition("(")[0]]
