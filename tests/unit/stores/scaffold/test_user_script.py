"""What a new project needs to know of a user's script."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.scaffold.user_script import UserScript, read_script


def _read(tmp_path: Path, text: str, project: str = ".", name: str = "train.py") -> UserScript:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_script(tmp_path / project, tmp_path / name)


@pytest.mark.parametrize(
    ("text", "found", "target"),
    [
        ("import orchestrator\nwith orchestrator.session(target=50_000) as run: pass", True, 50_000),
        ("import orchestrator as o\nrun = o.session()", True, None),
        ("from orchestrator import session as begin\nbegin(target=n)", True, None),
        ("def main():\n    import orchestrator\n    orchestrator.session(target=-1)", True, None),
        ("import orchestrator\n", False, None),
        ("import tensorflow\ntensorflow.session(target=3)", False, None),
        ("session(target=3)", False, None),
        ("# orchestrator.session()", False, None),
    ],
)
def test_call_of_session_is_found_under_any_name(tmp_path: Path, text: str, found: bool, target: int | None) -> None:
    script = _read(tmp_path, text)
    assert (script.has_session, script.target) == (found, target)


def test_libraries_are_neither_the_standard_library_nor_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    (tmp_path / "parts").mkdir()
    tried = "try:\n    import cupy\nexcept ImportError: pass"
    text = "import os, numpy.random, model, parts.a, orchestrator\nfrom stable_baselines3 import PPO\n"
    script = _read(tmp_path, text + tried)
    assert script.libraries == ("numpy", "stable_baselines3") and script.uses_sb3
    assert (script.copied, script.left_behind) == (False, ())
    other = read_script(tmp_path / "project", tmp_path / "train.py")
    assert (other.copied, other.place, other.left_behind) == (True, "train.py", ("model.py", "parts/"))


def test_script_below_the_project_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = _read(tmp_path, "", project="mine", name="mine/sous dossier/entraîne.py")
    assert (script.place, script.copied) == ("sous dossier/entraîne.py", False)
    monkeypatch.chdir(tmp_path)
    assert read_script(Path("mine"), Path("sous dossier/entraîne.py")).place == script.place


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.ipynb", b"{}", "is not a Python file"),
        ("train.py", b"def (", "train.py, line 1: "),
        ("train.py", b"x = '\xe9'", "not UTF-8"),
        ("train.py", b"a\0b", "null bytes"),
        ("train.py", None, "cannot be read"),
    ],
)
def test_what_is_no_script_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_script(tmp_path / "project", tmp_path / name)
