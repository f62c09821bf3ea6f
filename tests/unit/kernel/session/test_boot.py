"""Every ending that the process survives is recorded in a manifest."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.files.digests import read_tree, tree_digest
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, SessionRefused, Verdict
from orchestrator.kernel.session import reporting
from orchestrator.kernel.session.boot import Surroundings, run_session
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME, FileEntry
from tests.doubles.clock import FakeClock
from tests.doubles.machine import FakeMachine
from tests.unit.kernel.makers import make_ticket, save


class SessionBench:
    """A bundle, a workspace and a section whose function each test chooses."""

    def __init__(self, root: Path) -> None:
        self.bundle = root / "bundle"
        self.bundle.mkdir()
        (self.bundle / "code.py").write_text("x = 1\n", encoding="utf-8")
        self.digest = tree_digest(read_tree(self.bundle))
        self.workspace = Workspace(input=root / "input", working=root / "working", scratch=root / "scratch")
        self.lines: list[str] = []
        self.machine = FakeMachine()
        self.stop_pauses = False
        self.entry = ModuleType("toy_entry")
        sys.modules["toy_entry"] = self.entry

    def need(self, text: str) -> None:
        (self.bundle / "requirements.txt").write_text(text, encoding="utf-8")
        self.digest = tree_digest(read_tree(self.bundle))

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.workspace.working / EVENTS_NAME).read_text(encoding="utf-8").splitlines()
        return [event for line in lines if (event := json.loads(line))["kind"] == kind]

    def run(self, act: Any, **ticket: Any) -> tuple[int, Manifest]:
        self.entry.run = act  # type: ignore[attr-defined]  # a module created by this test
        code = self.boot(**ticket)
        manifest = read_manifest(self.workspace.working)
        assert manifest is not None
        return code, manifest

    def boot(self, **ticket: Any) -> int:
        clock = FakeClock()
        surroundings = Surroundings(
            workspace=self.workspace,
            now=clock.now,
            monotonic=clock.monotonic,
            echo=self.lines.append,
            machine=self.machine.face,
            stop_pauses=self.stop_pauses,
        )
        ticket_made = make_ticket(**{"bundle_digest": self.digest, **ticket})
        return run_session(ticket_made, self.bundle, surroundings=surroundings, stop=StopFlag())


@pytest.fixture
def session_bench(tmp_path: Path) -> Iterator[SessionBench]:
    yield SessionBench(tmp_path)
    sys.modules.pop("toy_entry")


def test_the_manifest_of_a_finished_section_lists_every_file(session_bench: SessionBench) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        save(context.models_dir, 40, ticket=context.ticket)
        return SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40, verdict=Verdict.SUPPORTED)

    code, manifest = session_bench.run(act)
    assert code == 0
    assert manifest.outcome.verdict is Verdict.SUPPORTED
    assert manifest.stamp == make_ticket(bundle_digest=session_bench.digest).stamp()
    listed = {entry.path for entry in manifest.files}
    on_disk = {
        path.relative_to(session_bench.workspace.working).as_posix()
        for path in session_bench.workspace.working.rglob("*")
        if path.is_file()
    }
    assert listed == on_disk - {MANIFEST_NAME}
    assert any(path.endswith("_checkpoint_40_steps.zip") for path in listed)


@pytest.mark.parametrize(
    ("ending", "recorded"),
    [(KernelEnding.STOPPED, KernelEnding.PAUSED), (KernelEnding.FINISHED, KernelEnding.FINISHED)],
)
def test_a_scheduler_that_sends_term_before_its_limit_pauses(
    session_bench: SessionBench, ending: KernelEnding, recorded: KernelEnding
) -> None:
    session_bench.stop_pauses = True
    code, manifest = session_bench.run(lambda context: SectionOutcome(ending=ending, steps_start=0, steps_done=40))
    assert (code, manifest.outcome.ending) == (0, recorded)
    assert session_bench.events("ending")[0]["end_reason"] == recorded


@pytest.mark.parametrize("exception", [RuntimeError("boom"), SystemExit(0), KeyboardInterrupt(), MemoryError()])
def test_a_section_that_raises_any_exception_fails(session_bench: SessionBench, exception: BaseException) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        save(context.models_dir, 20, ticket=context.ticket)
        raise exception

    code, manifest = session_bench.run(act)
    assert code == 1
    assert manifest.outcome.ending is KernelEnding.SECTION_FAILED
    assert manifest.outcome.steps_done == 20
    assert manifest.outcome.verdict is None
    assert type(exception).__name__ in str(manifest.error)


@pytest.mark.parametrize(("name", "advised"), [("numpy.random", True), ("toy_entry.part", False)])
def test_an_absent_library_is_named_with_the_pip_command(session_bench: SessionBench, name: str, advised: bool) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    code, manifest = session_bench.run(act)
    assert code == 1 and manifest.outcome.ending is KernelEnding.SECTION_FAILED
    assert ("python -m pip install numpy" in str(manifest.error)) is advised
    assert "If it is a file of yours: add it to `include` in the section's card." in str(manifest.error)


def test_a_section_that_returns_nothing_fails(session_bench: SessionBench) -> None:
    code, manifest = session_bench.run(lambda context: None)
    assert (code, manifest.outcome.ending) == (1, KernelEnding.SECTION_FAILED)
    assert "NoneType" in str(manifest.error)


def test_a_bundle_with_another_digest_is_refused(session_bench: SessionBench) -> None:
    code, manifest = session_bench.run(lambda context: pytest.fail("must not run"), bundle_digest="d" * 64)
    assert (code, manifest.outcome.ending) == (2, KernelEnding.REFUSED)
    assert "the code in this kernel has digest " in str(manifest.error)


def test_missing_input_checkpoints_are_carrier_missing_and_not_a_fresh_start(session_bench: SessionBench) -> None:
    session_bench.workspace.input.mkdir()
    (session_bench.workspace.input / "something.bin").write_bytes(b"else")
    promised = FileEntry(path="checkpoints/x.zip", size_bytes=3, sha256="0" * 64)
    code, manifest = session_bench.run(lambda context: pytest.fail("must not run"), inputs=(promised,))
    assert (code, manifest.outcome.ending) == (2, KernelEnding.CARRIER_MISSING)
    assert "input/something.bin" in str(manifest.error) and "checkpoints/x.zip" in str(manifest.error)


def test_the_preflight_result_is_in_the_event_log_and_in_the_manifest(session_bench: SessionBench) -> None:
    session_bench.need("numpy==2.4.6\nstable-baselines3==2.9.2\n")
    answer = json.dumps({"gpu": "Tesla T4", "capability": "7.5"})
    session_bench.machine = FakeMachine({"numpy": "2.0.2"}, probe=Ran(exit_code=0, out=answer))
    code, manifest = session_bench.run(
        lambda context: SectionOutcome(ending=KernelEnding.FINISHED, runtime={"device": "cuda"}),
        spec={"device": "auto"},
    )
    assert code == 0
    found = manifest.preflight
    assert found["versions"] == {"numpy": "2.0.2", "stable-baselines3": "2.9.2"}
    assert found["pinned"] == {"numpy": "2.4.6"}
    assert found["installed_now"] == ["stable-baselines3==2.9.2"]
    assert found["device"] == {"used": "cuda", "name": "Tesla T4", "capability": "7.5", "why": None}
    (event,) = session_bench.events("preflight")
    assert {name: event[name] for name in found} == found
    assert "numpy 2.0.2 is installed, pinned is 2.4.6." in session_bench.lines
    assert "Computing on Tesla T4 (capability 7.5)." in session_bench.lines


def test_a_session_states_its_target_while_its_section_reports_nothing(
    session_bench: SessionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        context.reporter.alive()
        return SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40, verdict=Verdict.SUPPORTED)

    monkeypatch.setattr(reporting, "ALIVE_AFTER_S", 0.0)
    session_bench.run(act)
    assert [one["target_steps"] for one in session_bench.events("alive")] == [make_ticket().spec["target_steps"]]


def test_an_unfit_machine_is_refused_before_the_section_is_imported(session_bench: SessionBench) -> None:
    words = "Traceback\nRuntimeError: CUDA error: no kernel image is available for execution on the device"
    session_bench.machine = FakeMachine(probe=Ran(exit_code=1, err=words))
    sys.modules.pop("toy_entry")  # importing the section would fail and end as section_failed
    code = session_bench.boot(spec={"device": "cuda"})
    sys.modules["toy_entry"] = session_bench.entry
    manifest = read_manifest(session_bench.workspace.working)
    assert manifest is not None
    assert (code, manifest.outcome.ending) == (2, KernelEnding.REFUSED)
    assert "no kernel image is available" in str(manifest.error)
    assert str(manifest.error).splitlines()[-1].startswith("Ask for NvidiaTeslaT4")
    assert manifest.preflight["device"] is None
    assert manifest.preflight["python"] == session_bench.events("preflight")[0]["python"]
    assert session_bench.events("started") == []


def test_no_preflight_runs_for_a_bundle_with_another_digest(session_bench: SessionBench) -> None:
    session_bench.need("numpy==2.4.6\n")
    _, manifest = session_bench.run(lambda context: pytest.fail("must not run"), bundle_digest="d" * 64)
    assert (session_bench.machine.ran, manifest.preflight) == ([], {})


def test_results_of_another_session_in_the_output_folder_are_refused(session_bench: SessionBench) -> None:
    session_bench.run(lambda context: SectionOutcome(ending=KernelEnding.FINISHED))
    before = (session_bench.workspace.working / MANIFEST_NAME).read_bytes()
    with pytest.raises(SessionRefused, match="another session"):
        session_bench.boot()
    assert (session_bench.workspace.working / MANIFEST_NAME).read_bytes() == before


def test_every_ending_has_its_exit_code() -> None:
    assert set(EXIT_CODES) == set(KernelEnding)


def test_a_manifest_is_read_back_from_its_file(session_bench: SessionBench) -> None:
    outcome = SectionOutcome(
        ending=KernelEnding.PAUSED, steps_start=1, steps_done=2, resume_grade="exact", training={"updates": 3}
    )
    _, manifest = session_bench.run(lambda context: outcome)
    assert manifest.outcome == outcome
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_names_and_errors_that_are_not_utf_8_leave_the_manifest_readable(session_bench: SessionBench) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        for name in (b"\xff.png", b"good.png"):
            Path(os.fsdecode(bytes(session_bench.workspace.working) + b"/" + name)).write_bytes(b"x")
        raise ValueError(f"cannot open {os.fsdecode(b'caf' + bytes([0xE9]))}.csv")

    code, manifest = session_bench.run(act)
    assert code == EXIT_CODES[KernelEnding.SECTION_FAILED]
    assert [entry.path for entry in manifest.files if entry.path.endswith(".png")] == ["good.png"]
    assert manifest.error is not None and r"cannot open caf\udce9.csv" in manifest.error
