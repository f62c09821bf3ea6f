"""Scenarios of the session itself: killed at each point of its saves, on a disk that fills up, and out of memory."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.files.digests import read_tree, tree_digest
from orchestrator.kernel.files.reserve import RESERVE_NAME
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.boot import Surroundings, run_session
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import METADATA_NAME, models_path
from orchestrator.stores.session.results import ResultsTree
from tests.doubles.clock import FakeClock
from tests.doubles.machine import FakeMachine
from tests.kill_points.observer import Observer, Point, observed
from tests.kill_points.proof import Row
from tests.kill_points.scenario import LOST, WRONG, Fault, Scenario
from tests.unit.kernel.makers import SCENARIO, make_ticket, save

TARGET_STEPS = 40


class KernelSession(Scenario):
    """One session with four saves; the command here fetches what it leaves, and the next session resumes."""

    name = "kernel"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bundle = folder / "bundle"
        self.bundle.mkdir()
        (self.bundle / "code.py").write_text("x = 1\n", encoding="utf-8")
        self.ticket = make_ticket(bundle_digest=tree_digest(read_tree(self.bundle)))
        self.working = self.root / "working"
        self.results = ResultsTree(folder / "results")
        self.saved = 0
        self.echoed: list[str] = []

    def act(self) -> None:
        self.session()

    def session(self) -> int:
        """Run the session; returns its exit code."""
        clock, entry = FakeClock(), ModuleType("toy_entry")
        entry.run = lambda context: self._train(context)  # type: ignore[attr-defined]  # replaced for this test
        sys.modules["toy_entry"] = entry
        workspace = Workspace(input=self.root / "input", working=self.working, scratch=self.root / "scratch")
        surroundings = Surroundings(
            workspace=workspace,
            now=clock.now,
            monotonic=clock.monotonic,
            echo=self.echoed.append,
            machine=FakeMachine().face,
        )
        try:
            return run_session(self.ticket, self.bundle, surroundings=surroundings, stop=StopFlag())
        finally:
            del sys.modules["toy_entry"]

    def _train(self, context: SessionContext) -> SectionOutcome:
        parent: CheckpointCard | None = None
        for steps in range(10, TARGET_STEPS + 1, 10):
            parent = save(context.models_dir, steps, parent, ticket=context.ticket)
            self.saved = steps
            digest = {"latest_checkpoint_digest": parent.digest, "total_timesteps_completed": steps}
            write_json(context.models_dir / METADATA_NAME, digest)
            context.reporter.progress(steps=steps, last=True)
        write_text(context.models_dir / f"{SCENARIO}_final.zip", "final")
        return SectionOutcome(
            ending=KernelEnding.FINISHED, steps_start=0, steps_done=TARGET_STEPS, verdict=Verdict.SUPPORTED
        )

    def outside(self) -> tuple[int]:
        return (self.saved,)

    def set_outside(self, outside: tuple[int]) -> None:
        (self.saved,) = outside

    def go_on(self) -> None:
        """Nothing: a session is never continued; `faults` looks at what it left."""

    def faults(self) -> Iterator[Fault]:
        """What the command here makes of the outputs."""
        incoming = self.results.incoming(self.working, self.ticket)
        if incoming.steps < self.saved:
            yield LOST, f"{self.saved} steps were saved, and {incoming.steps} can be used: {dict(incoming.faults)}"
        for card in incoming.verified:
            expected = b"model" + str(card.steps).encode()
            if (incoming.root / "checkpoints" / f"{card.stem}.zip").read_bytes() != expected:
                yield LOST, f"{card.stem} has other bytes"
        manifest, faults = self.results.manifest(self.working)
        if faults:
            yield WRONG, f"manifest: {faults}"
        if manifest is not None and (manifest.outcome.steps_done or 0) > incoming.steps:
            yield WRONG, f"the manifest states {manifest.outcome.steps_done} steps, and {incoming.steps} can be used"


def injected(
    kind: type[KernelSession],
    folder: Path,
    name: str,
    fault: Callable[[], BaseException],
    *,
    lasting: bool,
    every: int = 1,
) -> Row:
    """Let every n-th side effect of a session fail in turn.

    Args:
        fault: Makes the exception.
        lasting: Whether all later ones fail too, until the session frees its reserved space.
    """
    row, number = Row(name), 1 - every
    while True:
        number += every
        place = folder / str(number)
        place.mkdir(parents=True)
        scenario = kind(place)
        gate = _Gate(number, fault, lasting=lasting)
        observer = scenario.observer = Observer(scenario.root, gate=gate, every=0)
        code: int | None = None
        with suppress(MemoryError), observed(observer):
            code = scenario.session()
        if gate.failed is None:
            return row
        row.points = number
        row.kills += 1
        row.states += 1
        found = [*scenario.faults(), *_ending_faults(scenario, gate, code)]
        row.faults += [(kind_of, f"{gate.failed} fails", words) for kind_of, words in found]


class _Gate:
    """Lets the n-th side effect fail, and later ones too while the disk is full."""

    NEEDS_NO_ROOM = frozenset({"unlink", "rmdir", "rename"})

    def __init__(self, number: int, fault: Callable[[], BaseException], *, lasting: bool) -> None:
        self._number, self._fault, self._lasting = number, fault, lasting
        self.failed: Point | None = None
        self.freed = False

    def __call__(self, point: Point) -> None:
        if point.kind in self.NEEDS_NO_ROOM:
            self.freed |= self.failed is not None and point.what.endswith(RESERVE_NAME)
            return
        if point.number >= self._number and (self.failed is None or (self._lasting and not self.freed)):
            self.failed = self.failed or point
            raise self._fault()


def no_space() -> OSError:
    """As a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ending_faults(scenario: KernelSession, gate: _Gate, code: int | None) -> Iterator[Fault]:
    manifest = read_manifest(scenario.working)
    if manifest is None and code == 0:
        yield WRONG, "exit code 0 without a manifest"
    if manifest is not None and code not in (None, manifest.exit_code):
        yield WRONG, f"exit code {code}, and {manifest.exit_code} in the manifest"
    latest = find_latest_checkpoint(models_path(scenario.working, scenario.ticket.section_dir), SCENARIO)
    if latest is None and scenario.saved:
        yield LOST, "no checkpoint"
