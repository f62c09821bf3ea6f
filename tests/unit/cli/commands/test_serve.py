"""`serve` without its libraries, and that no other command imports them."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.cli.commands import serve
from orchestrator.cli.main import main
from orchestrator.cli.output.standard_output import Pulse
from orchestrator.core.page.page import Page
from orchestrator.page.server import address


@pytest.mark.parametrize(
    ("absent", "error", "remedy"),
    [
        (
            ("plotly", "starlette", "uvicorn"),
            "`serve` needs plotly, starlette, uvicorn, which are not installed",
            'python -m pip install "plotly>=6" "starlette>=0.41" "uvicorn>=0.32"',
        ),
        (
            ("uvicorn",),
            "`serve` needs uvicorn, which is not installed",
            'python -m pip install "uvicorn>=0.32"',
        ),
    ],
)
def test_the_missing_libraries_are_named_with_the_command_that_installs_them(
    absent: tuple[str, ...],
    error: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name in absent else real(name))
    assert main(["serve"]) == 2
    assert capsys.readouterr().err.splitlines() == [f"Error: {error}", f"Install it: {remedy}"]


def test_the_libraries_are_those_of_the_extra(project_root: Path) -> None:
    text = (project_root / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("report = [")]
    assert [word.strip('"') for word in line[10 : line.index("]")].split(", ")] == list(serve._LIBRARIES.values())


def _run_at_once(thread: threading.Thread) -> None:
    """In place of `Thread.start`; the pulse of a command would never end."""
    if thread.name != "pulse":
        thread.run()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; a server that ends at once."""
    (tmp_path / "demo/configs/sections").mkdir(parents=True)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path / "demo"))
    monkeypatch.setattr("orchestrator.page.server.serving.serve", lambda listening, *_: listening.close())
    return tmp_path / "demo"


def test_the_address_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0"]) == 0
    shown = capsys.readouterr().out
    assert re.fullmatch(r"demo: http://127\.0\.0\.1:\d+/ \(only on this computer; Ctrl-C ends it\)\n", shown)
    assert main(["serve", "--port", "0", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"address": f"http://127.0.0.1:{printed['port']}/", "port": printed["port"], "target": None}
    assert not (project / ".orchestrator").exists()


def test_the_reading_at_the_start_is_announced_and_nothing_is_repeated_while_it_serves(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pulse repeats what was said last, every 15 s: during the first reading, but not for days afterwards."""
    clock, read_page = SimpleNamespace(now_s=0.0), serve.read_page
    pulse = Pulse(lambda: clock.now_s)
    for module in ("standard_output.PULSE", "console.PULSE"):
        monkeypatch.setattr(f"orchestrator.cli.output.{module}", pulse)
    monkeypatch.setattr("orchestrator.cli.output.console.Console.__init__.__kwdefaults__", {"pulse": pulse})

    def wait(seconds: float) -> None:
        clock.now_s += seconds
        pulse.beat()

    def slowly(*named: Any, **options: Any) -> Page:
        wait(3)
        return read_page(*named, **options)

    def serve_page(listening: socket.socket, *_: object) -> None:
        listening.close()
        wait(1000)

    monkeypatch.setattr(serve, "read_page", slowly)
    monkeypatch.setattr("orchestrator.page.server.serving.serve", serve_page)
    monkeypatch.setattr("webbrowser.open", lambda shown: False)
    monkeypatch.setattr("threading.Thread.start", _run_at_once)
    assert serve.serve(port=0, open_page=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0] == "  still running after 0:03: Reading the trainings of this project"
    assert lines[1].startswith("demo: http://127.0.0.1:") and lines[2].startswith("No browser was found")


def test_the_page_that_was_read_at_the_start_is_given_to_the_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def serve_page(listening: socket.socket, *rest: object) -> None:
        listening.close()
        given.append(rest[-1])

    monkeypatch.setattr("orchestrator.page.server.serving.serve", serve_page)
    assert main(["serve", "--port", "0"]) == 0
    assert given[0].page.title == "demo" and given[0].took_s > 0


def test_another_port_than_the_usual_one_is_explained(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with address.listening_socket(0) as taken:
        monkeypatch.setattr(address, "DEFAULT_PORT", taken.getsockname()[1])
        assert main(["serve"]) == 0
        shown = capsys.readouterr().out
    assert f"(port {address.DEFAULT_PORT} is in use; only on this computer; Ctrl-C ends it)" in shown


@pytest.mark.parametrize("found", [True, False])
def test_a_browser_opens_only_if_it_was_asked_for(
    found: bool, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda shown: opened.append(shown) or found)
    monkeypatch.setattr("threading.Thread.start", _run_at_once)
    assert main(["serve", "--port", "0"]) == 0
    assert opened == []
    assert main(["serve", "--port", "0", "--open"]) == 0
    assert len(opened) == 1 and opened[0].startswith("http://127.0.0.1:")
    assert ("No browser was found" in capsys.readouterr().out) is not found


@pytest.mark.parametrize("words", [(), ("--ask",)])
def test_backends_are_asked_only_if_the_user_wants_it(
    words: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    read_page = serve.read_page

    def recorded(*named: Any, ask: bool = False) -> Page:
        asked.append(ask)
        return read_page(*named)

    def serve_page(listening: socket.socket, read: Callable[[], Page], *_: object) -> None:
        listening.close()
        for _ in range(3):
            read()

    monkeypatch.setattr(serve, "read_page", recorded)
    monkeypatch.setattr("orchestrator.page.server.serving.serve", serve_page)
    monkeypatch.setattr("threading.Thread.start", _run_at_once)
    assert main(["serve", "--port", "0", *words]) == 0
    assert (asked.count(False), asked.count(True)) == (4, len(words))


def test_a_port_out_of_range_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "65536"]) == 2
    assert "65535" in capsys.readouterr().err


def test_no_address_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_other_commands_import_no_library_of_the_page(project_root: Path) -> None:
    code = (
        "import sys, orchestrator.cli.main as m; m.main(['serve', '--help']); m.main(['status', '--help']); "
        "sys.exit(str({'starlette', 'uvicorn', 'plotly', 'anyio', 'jinja2', 'asyncio'} & set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0"
