"""Every ending that the process survives becomes a manifest that says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kernel_templates.kernel_runtime.boot import Surroundings, run_session
from kernel_templates.kernel_runtime.context import SessionContext
from kernel_templates.kernel_runtime.digests import read_tree, tree_digest
from kernel_templates.kernel_runtime.endings import EXIT_CODES, KernelEnding, SectionOutcome, SessionRefused, Verdict
from kernel_templates.kernel_runtime.manifest import Manifest, read_manifest
from kernel_templates.kernel_runtime.stopping import StopFlag
from kernel_templates.kernel_runtime.wire import MANIFEST_NAME, FileEntry
from kernel_templates.kernel_runtime.workspace import Workspace
from tests.doubles.clock import FakeClock
from tests.unit.kernel_runtime.makers import make_ticket, save


class Booth:
    """A bundle, a workspace and a section whose act each test chooses."""

    def __init__(self, root: Path) -> None:
        self.bundle = root / "bundle"
        self.bundle.mkdir()
        (self.bundle / "code.py").write_text("x = 1\n", encoding="utf-8")
        self.digest = tree_digest(read_tree(self.bundle))
        self.workspace = Workspace(input=root / "input", working=root / "working", scratch=root / "scratch")
        self.lines: list[str] = []
        self.entry = ModuleType("toy_entry")
        sys.modules["toy_entry"] = self.entry

    def run(self, act: Any, **ticket: Any) -> tuple[int, Manifest]:
        self.entry.run = act  # type: ignore[attr-defined]  # a module made for this test
        code = self.boot(**ticket)
        manifest = read_manifest(self.workspace.working)
        assert manifest is not None
        return code, manifest

    def boot(self, **ticket: Any) -> int:
        clock = FakeClock()
        surroundings = Surroundings(
            workspace=self.workspace, now=clock.now, monotonic=clock.monotonic, echo=self.lines.append
        )
        made = make_ticket(**{"bundle_digest": self.digest, **ticket})
        return run_session(made, self.bundle, surroundings=surroundings, stop=StopFlag())


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    yield Booth(tmp_path)
    sys.modules.pop("toy_entry")


def test_a_finished_section_is_described_file_by_file(booth: Booth) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        save(context.models_dir, 40, ticket=context.ticket)
        return SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40, verdict=Verdict.SUPPORTED)

    code, manifest = booth.run(act)
    assert code == 0
    assert manifest.outcome.verdict is Verdict.SUPPORTED
    assert manifest.stamp == make_ticket(bundle_digest=booth.digest).stamp()
    listed = {entry.path for entry in manifest.files}
    on_disk = {
        path.relative_to(booth.workspace.working).as_posix()
        for path in booth.workspace.working.rglob("*")
        if path.is_file()
    }
    assert listed == on_disk - {MANIFEST_NAME}
    assert any(path.endswith("_checkpoint_40_steps.zip") for path in listed)


@pytest.mark.parametrize("death", [RuntimeError("boom"), SystemExit(0), KeyboardInterrupt(), MemoryError()])
def test_a_section_that_dies_fails_whatever_it_dies_of(booth: Booth, death: BaseException) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        save(context.models_dir, 20, ticket=context.ticket)
        raise death

    code, manifest = booth.run(act)
    assert code == 1
    assert manifest.outcome.ending is KernelEnding.SECTION_FAILED
    assert manifest.outcome.steps_done == 20
    assert manifest.outcome.verdict is None
    assert type(death).__name__ in str(manifest.error)


def test_a_section_that_returns_nothing_fails(booth: Booth) -> None:
    code, manifest = booth.run(lambda context: None)
    assert (code, manifest.outcome.ending) == (1, KernelEnding.SECTION_FAILED)
    assert "NoneType" in str(manifest.error)


def test_other_code_than_the_code_pushed_is_refused(booth: Booth) -> None:
    code, manifest = booth.run(lambda context: pytest.fail("must not run"), bundle_digest="d" * 64)
    assert (code, manifest.outcome.ending) == (2, KernelEnding.REFUSED)
    assert "digest" in str(manifest.error)


def test_checkpoints_that_did_not_arrive_are_the_carriers_fault_not_a_beginning(booth: Booth) -> None:
    booth.workspace.input.mkdir()
    (booth.workspace.input / "something.bin").write_bytes(b"else")
    promised = FileEntry(path="checkpoints/x.zip", size_bytes=3, sha256="0" * 64)
    code, manifest = booth.run(lambda context: pytest.fail("must not run"), inputs=(promised,))
    assert (code, manifest.outcome.ending) == (2, KernelEnding.CARRIER_MISSING)
    assert "input/something.bin" in str(manifest.error) and "checkpoints/x.zip" in str(manifest.error)


def test_old_results_in_the_output_folder_are_never_described_as_new(booth: Booth) -> None:
    booth.run(lambda context: SectionOutcome(ending=KernelEnding.FINISHED))
    before = (booth.workspace.working / MANIFEST_NAME).read_bytes()
    with pytest.raises(SessionRefused, match="another session"):
        booth.boot()
    assert (booth.workspace.working / MANIFEST_NAME).read_bytes() == before


def test_every_ending_has_its_exit_code() -> None:
    assert set(EXIT_CODES) == set(KernelEnding)


def test_a_manifest_survives_its_file(booth: Booth) -> None:
    outcome = SectionOutcome(
        ending=KernelEnding.PAUSED, steps_start=1, steps_done=2, resume_grade="exact", training={"updates": 3}
    )
    _, manifest = booth.run(lambda context: outcome)
    assert manifest.outcome == outcome
    assert Manifest.from_json(manifest.to_json()) == manifest
