"""A program in a copy of a warm process is the program of a new interpreter: streams, ends, folder, seeds, modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles import warm_python
from tests.doubles.warm_python import run_python

IMPORTED = ("json.tool", "numpy")

AT_START = warm_python._ENVIRON
"""Variables before any test: a fixture of another file may have set one that a library reads while it starts."""


def ran(folder: Path, text: str, *words: str, timeout_s: float = 60.0, **variables: str) -> list[object]:
    """Exit code, output and errors of the script: warm, after a comparison with a new interpreter's."""
    (folder / "program.py").write_text(text, encoding="utf-8")
    env = {**AT_START, **variables}
    runs = [
        run_python(["program.py", *words], cwd=folder, env=env, timeout_s=timeout_s, imported=imported)
        for imported in (IMPORTED, ())
    ]
    warm, new = ([done.returncode, done.stdout, done.stderr.replace(b"<module>", b"")] for done in runs)
    assert warm[:2] == new[:2]
    return warm


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("print('all is well')", 0),
        ("raise SystemExit(75)", 75),
        ("raise SystemExit('no')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -2),
        ("import os, signal; signal.signal(15, lambda *_: exit(7)); os.kill(os.getpid(), 15)", 7),
        ("import atexit; atexit.register(print, 'at its end')", 0),
    ],
)
def test_every_end_is_the_same(tmp_path: Path, text: str, code: int) -> None:
    assert ran(tmp_path, text)[0] == code


def test_it_sees_its_own_arguments_variables_folder_and_name(tmp_path: Path) -> None:
    text = (
        "import os, sys, pickle\nclass Own: pass\n"
        "print(sys.argv, sys.path[0], os.getcwd(), os.environ['ONE'], 'TWO' in os.environ)\n"
        "print(sys.flags, sys.stdin.read())\n"
        "print(__name__, __file__, type(pickle.loads(pickle.dumps(Own()))), sys.stdout.encoding, sys.stdout.isatty())\n"
    )
    _, out, _ = ran(tmp_path, text, "a b", "--c", ONE="1")
    assert isinstance(out, bytes) and b"['program.py', 'a b', '--c']" in out and b" 1 False\n" in out


def test_modules_and_seeds_are_those_of_a_new_process(tmp_path: Path) -> None:
    text = "import random, numpy; print(random.random(), numpy.random.random(), hash('text'))\n"
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    found = [
        run_python(["program.py"], cwd=tmp_path, env=AT_START, timeout_s=60, imported=IMPORTED).stdout.split()
        for _ in range(4)
    ]
    assert [len(set(column)) for column in zip(*found, strict=True)] == [4, 4, 2]


def test_a_file_that_hides_a_module_is_imported(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("NAME = 'mine'\n", encoding="utf-8")
    assert ran(tmp_path, "import numpy; print(numpy.NAME)")[1] == b"mine\n"


def test_variables_of_the_interpreter_hold(tmp_path: Path) -> None:
    assert ran(tmp_path, "import sys; print(sys.flags.optimize)", PYTHONOPTIMIZE="2")[1] == b"2\n"
    assert ran(tmp_path, "import os; print(os.environ['OMP_NUM_THREADS'])", OMP_NUM_THREADS="1")[1] == b"1\n"


def test_it_is_a_process_that_can_be_killed_and_leaves_its_children(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import time; time.sleep(60)", encoding="utf-8")
    with pytest.raises(subprocess.TimeoutExpired):
        run_python(["program.py"], cwd=tmp_path, env=AT_START, timeout_s=0.5, imported=IMPORTED)
    text = "import subprocess, sys; print(subprocess.call([sys.executable, '-c', 'raise SystemExit(5)']))"
    assert ran(tmp_path, text)[1] == b"5\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a new interpreter elsewhere")
def test_it_is_warm(tmp_path: Path) -> None:
    text = "import sys; print('json.tool' in sys.modules)\n"
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    done = run_python(["program.py"], cwd=tmp_path, env=AT_START, timeout_s=60, imported=IMPORTED)
    assert done.stdout == b"True\n"
