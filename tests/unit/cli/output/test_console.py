"""Printing works on any stream in any encoding and never raises."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.output.console import Console, describe_progress
from orchestrator.cli.output.standard_output import encodable
from orchestrator.core.errors import BadInput, RemoteUnavailable, RunFailed


@given(st.text(), st.sampled_from(["ascii", "cp1252", "cp850", "latin-1", "utf-8", "no-such-codec", None]))
def test_any_text_can_be_printed_in_any_encoding(text: str, encoding: str | None) -> None:
    try:
        usable = encoding if encoding and "no-such" not in encoding else "ascii"
        text.encode("utf-8")
    except UnicodeEncodeError:
        return  # half a surrogate pair cannot be encoded at all
    encodable(text, encoding).encode(usable)


def test_symbols_become_ascii_where_the_encoding_lacks_them() -> None:
    assert encodable("[CHECKPOINT] ✅ Successfully restored 2 file(s)", "cp1252") == (
        "[CHECKPOINT] [OK] Successfully restored 2 file(s)"
    )
    assert encodable("⚠️  INCOMPATIBILITY", "ascii") == "[!]  INCOMPATIBILITY"
    assert encodable("répertoire ✓", "utf-8") == "répertoire ✓"


def test_a_stream_that_is_no_terminal_gets_a_line_per_ten_percent() -> None:
    stream, now = io.StringIO(), [0.0]
    console = Console(stream, monotonic=lambda: now[0])
    for steps in range(0, 1001, 10):
        console.progress({"steps": steps, "target_steps": 1000, "steps_per_s": 100.0, "eta_s": 65, "reward_mean": -1.0})
        now[0] += 0.1
    console.progress({"steps": 1000, "target_steps": 1000})
    console.quiet()
    lines = stream.getvalue().splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[-1].startswith("  100%")
    assert "100 steps/s | 1:05 left | reward -1.0" in lines[0]


def test_progress_without_numbers_is_still_a_line() -> None:
    assert describe_progress({}) == "?/? steps"


def test_a_closed_pipe_does_not_end_the_run() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Console(Closed()).say("hello")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (BadInput("x", remedy="r"), 2),
        (RunFailed("x", remedy="r"), 1),
        (RemoteUnavailable("x", remedy="r"), 4),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 3),
    ],
)
def test_every_failure_has_its_exit_code(
    fault: BaseException,
    code: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(str(tmp_path))

    def act() -> int:
        raise fault

    assert run_command(act, as_json=True) == code
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["exit_code"] == code
    assert captured.err.startswith("Error: ")
    assert len(captured.err.splitlines()) == 2
