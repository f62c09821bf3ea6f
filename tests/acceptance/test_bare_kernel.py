"""The rendered script alone, on an interpreter with nothing but the standard library: what a kernel starts from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kernel_templates.kernel_runtime.endings import KernelEnding
from kernel_templates.kernel_runtime.manifest import read_manifest
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project


def _run(script: Path, root: Path) -> subprocess.CompletedProcess[str]:
    (root / "tmp").mkdir(parents=True)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script)],
        env={**os.environ, "ORCHESTRATOR_KAGGLE_ROOT": str(root / "kaggle"), "TMPDIR": str(root / "tmp")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_needs_nothing_but_python(tmp_path: Path) -> None:
    toy = make_toy_project(tmp_path / "project")
    script = tmp_path / "kernel.py"
    assert orchestrate(toy, "render", "section_7_6", "--quick", "--output", str(script)).code == 0
    done = _run(script, tmp_path / "machine")
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "machine/kaggle/working")
    assert manifest is not None
    assert (manifest.outcome.ending, manifest.outcome.steps_done) == (KernelEnding.FINISHED, 40)
    assert list((tmp_path / "machine/tmp").iterdir()) == []  # the unpacked code is not left behind


def test_a_script_whose_code_was_changed_refuses_to_run_it(tmp_path: Path) -> None:
    """Archive and digest swapped together, as a wrong cached version would be: the ticket still knows."""
    toy = make_toy_project(tmp_path / "project")
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    orchestrate(toy, "render", "section_7_6", "--quick", "--output", str(first))
    entry = toy / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text(encoding="utf-8") + "\nOLD = True\n", encoding="utf-8")
    orchestrate(toy, "render", "section_7_6", "--quick", "--output", str(second))
    head, _, _ = first.read_text(encoding="utf-8").partition("ARCHIVE_SHA256")
    _, mark, tail = second.read_text(encoding="utf-8").partition("ARCHIVE_SHA256")
    mixed = tmp_path / "mixed.py"
    mixed.write_text(head + mark + tail, encoding="utf-8")
    done = _run(mixed, tmp_path / "machine")
    manifest = read_manifest(tmp_path / "machine/kaggle/working")
    assert done.returncode == 2
    assert manifest is not None
    assert manifest.outcome.ending is KernelEnding.REFUSED
