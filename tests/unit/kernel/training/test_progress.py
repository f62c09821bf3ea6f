"""Reports after a resume: each one once, however the script counts its steps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.training.progress import PROGRESS_NAME, Progress


def _progress(folder: Path, *, start: int, reported: int | None) -> Progress:
    reporter = SimpleNamespace(progress=lambda **fields: None, event=lambda *words, **fields: None, say=print)
    context: Any = SimpleNamespace(metrics_dir=folder, reporter=reporter, monotonic=lambda: 0.0)
    return Progress(context, start=start, target=9, reported=reported)


def _steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / PROGRESS_NAME).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("first", [0, 1], ids=["passes", "steps-done"])
def test_reports_of_lost_work_are_removed(tmp_path: Path, first: int) -> None:
    before = _progress(tmp_path, start=0, reported=0)
    for step in range(5):
        before.report(step + first, {})
    after = _progress(tmp_path, start=3, reported=3)
    for step in range(3, 6):
        after.report(step + first, {})
    assert _steps(tmp_path) == [step + first for step in range(6)] and after.reported == 6


def test_numbers_are_short_in_the_log_and_whole_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _progress(tmp_path, start=0, reported=0).report(0, {"score": 21.197916666666668, "n": 1234567, "name": "a"})
    assert capsys.readouterr().out == "step 0/9 | 0.0 steps/s | score 21.1979 | n 1234567 | name a\n"
    assert "21.197916666666668" in (tmp_path / PROGRESS_NAME).read_text(encoding="utf-8")


def test_checkpoint_of_an_older_version_counts_by_steps(tmp_path: Path) -> None:
    (tmp_path / PROGRESS_NAME).write_text('{"step": 0}\n{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
    progress = _progress(tmp_path, start=2, reported=None)
    assert progress.reported == 2
    progress.report(2, {})
    assert _steps(tmp_path) == [0, 1, 2] and progress.reported == 3


@pytest.mark.parametrize(
    "odd", ["caf\udce9.png", 7**400, float("nan"), "a\nb"], ids=["no UTF-8", "long", "nan", "lines"]
)
def test_every_report_counts_whatever_it_holds(tmp_path: Path, odd: Any) -> None:
    before = _progress(tmp_path, start=0, reported=0)
    for step in range(5):
        before.report(step, {"value": odd if step == 1 else 0})
    with (tmp_path / PROGRESS_NAME).open("a", encoding="utf-8") as stream:
        stream.write('{"step": 5, "val')  # a kill
    after = _progress(tmp_path, start=3, reported=3)
    after.report(3, {})
    lines = (tmp_path / PROGRESS_NAME).read_text(encoding="utf-8").splitlines()
    assert [int(line.split(":")[1].split(",")[0].strip(" }")) for line in lines] == [0, 1, 2, 3]


@pytest.mark.skipif(os.name == "nt", reason="pipes, and links without a privilege, are for POSIX systems")
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_anything_but_a_file_in_the_place_of_the_reports_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / PROGRESS_NAME)
    with pytest.raises(SessionRefused, match="is no regular file"):
        _progress(tmp_path, start=0, reported=0)
