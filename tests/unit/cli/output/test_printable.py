"""Every way out of a command hides secrets: lines, tables, JSON, errors, and the report on an internal error."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import stat
from pathlib import Path

import pytest

from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.output.console import Console
from orchestrator.cli.output.live_table import LiveBoard
from orchestrator.core.errors import BadInput
from orchestrator.core.messages import Level, Message

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
TOKEN = "ghp_" + "a1B2" * 9


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", KEY)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_lines_messages_and_progress_are_masked(stream: type[io.StringIO]) -> None:
    for narrator in (Console(out := stream()), LiveBoard(out)):
        narrator.say(f"log {KEY}", f"\x1b[2Jtoken {TOKEN}")
        narrator.report(Message(level=Level.INFO, code="x", lines=(f"state {KEY} {TOKEN}",)))
        narrator.progress({"steps": 5, "target_steps": 10, KEY: 1.0, "a" * 20 + KEY: 2.0})
        narrator.quiet()
        shown = out.getvalue()
        assert "KAGGLE_KEY" in shown and "GitHub" in shown
        assert KEY[:8] not in shown and TOKEN not in shown and "\x1b[2Jtoken" not in shown


def test_json_is_masked_and_numbers_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"log": [KEY, {"x": TOKEN}], "steps": 40, KEY: None})
    shown = capsys.readouterr().out
    assert KEY not in shown and TOKEN not in shown and json.loads(shown)["steps"] == 40


def test_an_error_is_masked_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise BadInput(f"HTTP 401 for https://h/x?key={KEY}", remedy=f"Authorization: Bearer {TOKEN}")

    assert run_command(fail, as_json=True) == 2
    shown = "".join(capsys.readouterr())
    assert KEY not in shown and TOKEN not in shown and "HTTP 401" in shown


def test_the_report_on_an_internal_error_is_masked_and_only_for_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs" / "sections").mkdir(parents=True)
    own = tmp_path / ".orchestrator"
    own.mkdir()
    (own / "last_error.txt").write_text("an earlier one", encoding="utf-8")
    (own / "last_error.txt").chmod(0o644)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path))

    def fail() -> int:
        raise LookupError(f"{dict(os.environ)} {TOKEN}")

    assert run_command(fail) == 3
    report = (own / "last_error.txt").read_text(encoding="utf-8")
    shown = report + "".join(capsys.readouterr())
    assert "LookupError" in report and KEY not in shown and TOKEN not in shown
    if os.name != "nt":
        assert stat.S_IMODE((own / "last_error.txt").stat().st_mode) == 0o600


_PRINTING = re.compile(
    r"(print|typer\.s?echo|pprint|sys\.__?std(out|err)(__)?\.write|sys\.std(out|err)\.write|traceback\.print_\w+"
    r"|warnings\.warn|logging\.\w+|faulthandler\.\w+)"
)


def test_only_the_masking_rooms_print(project_root: Path) -> None:
    """The other files print constant texts, run in a session, or write the script that the gate has searched."""
    rooms = {"cli/error_boundary.py", "cli/output/standard_output.py", "wiring/notebook.py"}
    constant = {"__init__.py", "__main__.py", "cli/main.py", "cli/commands/overview.py", "cli/campaign/status.py"}
    elsewhere = {"backends/local/supervisor.py", "backends/kaggle/diagnosis/probe.py", "cli/commands/render.py"}
    elsewhere.add("backends/ray/driver.py")  # in a session, on a node
    package, found = project_root / "orchestrator", set()
    for path in package.rglob("*.py"):
        name, text = path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")
        if name.split("/")[0] in ("kernel", "sb3") or _PRINTING.search(text) is None:
            continue
        calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        if any(_PRINTING.fullmatch(ast.unparse(call.func)) for call in calls):
            found.add(name)
    assert found == rooms | constant | elsewhere
    through = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "print_line(" in path.read_text(encoding="utf-8")
    }
    assert through == {"cli/output/standard_output.py", "cli/output/console.py", "cli/output/live_table.py"}
