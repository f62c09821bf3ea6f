"""The rendered script runs alone on an interpreter with only the standard library, as in a kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.script import render_kernel
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.core.session.zip_archive import pack
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import models_path
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
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


def test_script_runs_on_the_standard_library_alone(tmp_path: Path) -> None:
    toy = make_toy_project(tmp_path / "project")
    script = tmp_path / "kernel.py"
    assert orchestrate(toy, "render", "section_7_6", "--quick", "--output", str(script)).code == 0
    done = _run(script, tmp_path / "machine")
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "machine/kaggle/working")
    assert manifest is not None
    assert (manifest.outcome.ending, manifest.outcome.steps_done) == (KernelEnding.FINISHED, 40)
    assert list((tmp_path / "machine/tmp").iterdir()) == []  # the unpacked code is removed


def _full_session(toy: Path, models: Path, left_out: str = "") -> str:
    """Script of a session that resumes from `models`, inlined, to the full profile's 100 steps."""
    card = load_card(toy / "configs/sections", "section_7_6")
    spec = SessionSpec(
        card=card, profile="full", sizes=RunRequest(card=card, profile="full").sizes(40), backend="local"
    )
    paths = sorted(path for path in models.rglob("*") if path.is_file())
    bundle = CodeStore(toy).bundle(card)
    ticket = write_ticket(
        spec,
        run_id="bare",
        session=2,
        attempt=1,
        nonce="2" * 32,
        bundle_digest=bundle.digest,
        inputs=tuple(file_entry(path, models) for path in paths),
    )
    archive = pack((path.relative_to(models).as_posix(), path.read_bytes()) for path in paths if path.name != left_out)
    return render_kernel(
        CodeStore(toy).template(), ticket=ticket, bundle=bundle, title="t", version="0", inline_archive=archive
    )


@pytest.fixture
def finished_quick(tmp_path: Path) -> tuple[Path, Path]:
    """A toy project and the models directory of its finished quick session (40 steps)."""
    toy = make_toy_project(tmp_path / "project")
    script = tmp_path / "quick.py"
    orchestrate(toy, "render", "section_7_6", "--quick", "--output", str(script))
    assert _run(script, tmp_path / "first").returncode == 0
    return toy, models_path(tmp_path / "first/kaggle/working", "section_7_6_rl_performance")


def test_script_resumes_from_inline_checkpoints(finished_quick: tuple[Path, Path], tmp_path: Path) -> None:
    script = tmp_path / "full.py"
    script.write_text(_full_session(*finished_quick), encoding="utf-8")
    done = _run(script, tmp_path / "second")
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "second/kaggle/working")
    assert manifest is not None
    assert (manifest.outcome.steps_start, manifest.outcome.steps_done) == (40, 100)
    assert list((tmp_path / "second/tmp").iterdir()) == []


def test_script_stops_on_damaged_inline_checkpoints(finished_quick: tuple[Path, Path], tmp_path: Path) -> None:
    head, mark, tail = _full_session(*finished_quick).partition('CHECKPOINTS_BASE64 = """\n')
    other = "B" if tail[100] == "A" else "A"
    script = tmp_path / "full.py"
    script.write_text(head + mark + tail[:100] + other + tail[101:], encoding="utf-8")
    done = _run(script, tmp_path / "second")
    assert done.returncode == 1
    assert "checkpoint set in this script is damaged" in done.stderr
    assert list((tmp_path / "second/tmp").iterdir()) == []


def test_script_refuses_an_incomplete_checkpoint_set(finished_quick: tuple[Path, Path], tmp_path: Path) -> None:
    card = "traffic_light_control_checkpoint_40_steps.json"
    script = tmp_path / "full.py"
    script.write_text(_full_session(*finished_quick, left_out=card), encoding="utf-8")
    done = _run(script, tmp_path / "second")
    manifest = read_manifest(tmp_path / "second/kaggle/working")
    assert done.returncode == 2
    assert manifest is not None and manifest.outcome.ending is KernelEnding.CARRIER_MISSING
    found, missing = str(manifest.error).split("not found by content:")
    assert "checkpoints/checkpoints/traffic_light_control_checkpoint_40_steps.zip" in found
    assert card in missing


def test_script_refuses_code_that_differs_from_its_ticket(tmp_path: Path) -> None:
    """Archive and archive digest are swapped together, as by a stale cache; the ticket's bundle digest differs."""
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
