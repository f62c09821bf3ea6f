"""Sessions that are tasks of one job array: each has its own state, starts, log, inputs and end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.here import Here
from orchestrator.backends.slurm.listing import JobListing
from orchestrator.backends.slurm.observation import LOST_AFTER_S
from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.core.errors import NameTaken, OutcomeUnknown
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Observation, Push, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import FileEntry, digest_of
from tests.doubles.slurm_commands import MemorySlurm, Row
from tests.unit.kernel.makers import make_ticket

SLUG = "arz-validation-section-7-6-00000000-s01-p"
WHOLE = Handle(backend="slurm", owner="slurm", slug=SLUG)
TASKS = [replace(WHOLE, member=number) for number in (1, 2, 3)]


class Array:
    """A backend that submits arrays, on a cluster with a memory, and a push of three sessions."""

    def __init__(self, root: Path) -> None:
        self.memory = MemorySlurm()
        self.now = datetime.now(UTC)
        self.clock_s = 0.0
        self.folder = SessionFolder(root=root / SLUG)
        slurm = Slurm(self.memory, listing=JobListing(self.monotonic))
        self.backend = SlurmBackend(slurm, SlurmSettings(array=3), Here(root), "python3", lambda: self.now)
        self.inputs = root.parent / "inputs"
        self.inputs.mkdir()
        self.push = self.pushed("123")

    def monotonic(self) -> float:
        """A clock on which each look asks again."""
        self.clock_s += 3600.0
        return self.clock_s

    def pushed(self, digits: str) -> Push:
        pushes = [self._alone(digit) for digit in digits]
        return self.backend.pack(pushes, "print()", SLUG)

    def _alone(self, digit: str) -> Push:
        spec = {**make_ticket().spec, "deadline_s": 60.0, "profile": "quick", "criteria": {}, "lineage": {}}
        ticket = replace(make_ticket(), nonce=digit * 32, spec=spec, spec_digest=digest_of(spec))
        (self.inputs / f"{digit}.zip").write_text(digit)
        entry = FileEntry(path=f"{digit}.zip", size_bytes=1, sha256="0" * 64)
        checkpoints = CheckpointSet(root=self.inputs, entries=(entry,))
        return self.backend.prepare(ticket, "print()", checkpoints, f"alone-{digit}", Carrier.DATASET)

    def submit(self) -> list[Row]:
        self.backend.stage(self.push)
        self.backend.submit(self.push)
        return [self.memory.jobs[f"101_{number}"] for number in (1, 2, 3)]

    def start(self, task: int, number: int = 1, *, steps: int | None = None) -> Path:
        """A start of a task; with steps, one that has run to its end."""
        working = self.folder.starts / f"{task}-{number}" / "working"
        working.mkdir(parents=True)
        (working / "mark.txt").write_text(f"{task}-{number}")
        if steps is not None:
            write_manifest(
                working,
                ticket=self.push.sessions[task - 1].ticket,
                outcome=SectionOutcome(ending=KernelEnding.PAUSED, steps_start=0, steps_done=steps),
                error=None,
                started_at="2026-01-01T00:00:00+00:00",
                ended_at="2026-01-01T00:01:00+00:00",
                timings_s={},
                preflight={},
            )
        return working

    def states(self) -> list[SessionState]:
        return [self.backend.observe(task).state for task in TASKS]


@pytest.fixture
def array(tmp_path: Path) -> Array:
    return Array(tmp_path / "sessions")


def test_one_submit_makes_a_task_of_each_session(array: Array) -> None:
    array.submit()
    assert [words[0] for words, _ in array.memory.seen] == ["sbatch"]
    lines = array.folder.script.read_text().splitlines()
    assert "#SBATCH --array=1-3" in lines and "#SBATCH --output=kernel.%a.log" in lines
    assert "#SBATCH --dependency=singleton" in lines
    assert sorted(path.relative_to(array.folder.input).as_posix() for path in array.folder.input.rglob("*.zip")) == [
        f"{number}/{SLUG}-checkpoints/member_0{number}/{number}.zip" for number in (1, 2, 3)
    ]
    assert [array.backend.find(one.ticket, SLUG) for one in array.push.sessions] == TASKS


def test_two_sessions_of_a_card_without_arrays_share_a_job(array: Array) -> None:
    packed = SlurmBackend(
        Slurm(array.memory), SlurmSettings(cpus=4), Here(array.folder.root.parent), "python3", lambda: array.now
    )
    packed.stage(array.push)
    assert "--array" not in array.folder.script.read_text() and not array.folder.is_array
    assert not packed.stops_alone(TASKS[0]) and packed.stops_alone(WHOLE)


def test_each_task_has_its_own_state(array: Array) -> None:
    first, second, third = array.submit()
    assert array.states() == [SessionState.PENDING] * 3
    first.state, second.state, second.exit_code = "RUNNING", "FAILED", "3:0"
    array.start(1)
    array.start(2)
    assert array.states() == [SessionState.RUNNING, SessionState.ENDED, SessionState.PENDING]
    assert array.backend.observe(TASKS[1]).exit_code == 3
    assert array.backend.observe(WHOLE).state is SessionState.RUNNING
    first.state = third.state = "COMPLETED"
    array.start(3, steps=40)
    assert array.states() == [SessionState.ENDED] * 3
    assert array.backend.observe(WHOLE).state is SessionState.ENDED


def test_a_task_that_the_controller_runs_twice_counts_once(array: Array, tmp_path: Path) -> None:
    for job in array.submit():
        job.state = "COMPLETED"
    for task in (1, 2, 3):
        array.start(task, steps=30)
    array.start(2, 2, steps=40)
    marks = [array.backend.fetch(task, tmp_path / f"out{task.member}").folder / "mark.txt" for task in TASKS]
    assert [path.read_text() for path in marks] == ["1-1", "2-2", "3-1"]
    assert array.folder.fetched(None).exists()


def test_a_task_that_came_back_to_pending_after_its_end_has_ended(array: Array) -> None:
    array.submit()
    array.start(2, steps=40)
    assert array.states() == [SessionState.PENDING, SessionState.ENDED, SessionState.PENDING]


def test_one_task_is_stopped_by_its_own_number(array: Array) -> None:
    jobs = array.submit()
    assert array.backend.stops_alone(TASKS[1])
    array.backend.cancel(TASKS[1])
    assert [job.state for job in jobs] == ["PENDING", "CANCELLED", "PENDING"]
    assert (array.folder.root / "cancel-2").exists() and not array.folder.cancel.exists()
    jobs[0].state = "RUNNING"
    array.backend.cancel(TASKS[0])
    assert array.memory.seen[-1][0] == ("scancel", "--batch", "--signal=TERM", "101_1")


def test_all_tasks_are_stopped_by_the_number_of_the_array(array: Array) -> None:
    array.submit()
    array.backend.cancel(WHOLE)
    assert [words for words, _ in array.memory.seen if words[0] == "scancel"] == [
        ("scancel", "--state=PENDING", "101"),
        ("scancel", "--batch", "--signal=TERM", "101"),
    ]
    assert array.folder.cancel.exists()


def test_tasks_that_were_removed_together_are_listed_without_their_numbers(array: Array) -> None:
    """Recorded from Slurm 22.05.8: `scancel` of an array whose first task ran."""
    first, *_ = array.submit()
    array.memory.jobs = {"101_1": first, 101: Row(SLUG, first.comment, "CANCELLED")}
    first.state = "COMPLETED"
    array.start(1, steps=40)
    expected = Observation(state=SessionState.ENDED, native="CANCELLED", exit_code=None, reason=EndReason.CANCELLED)
    assert [array.backend.observe(task) for task in TASKS[1:]] == [expected, expected]
    assert array.backend.observe(TASKS[0]).exit_code == 0


@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_answer_is_settled_by_the_nonce(array: Array, lost: bool) -> None:
    array.memory.refusal = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
    array.memory.lost = lost
    array.backend.stage(array.push)
    with pytest.raises(OutcomeUnknown):
        array.backend.submit(array.push)
    found = [array.backend.find(one.ticket, SLUG) for one in array.push.sessions]
    assert found == (TASKS if lost else [None] * 3)
    if lost:
        assert json.loads(array.folder.submitted.read_text())["job"] == 101
        with pytest.raises(NameTaken):
            array.backend.stage(array.pushed("456"))


def test_a_forgotten_task_that_never_started_is_forbidden_to_start(array: Array) -> None:
    array.submit()
    array.memory.jobs = {one: job for one, job in array.memory.jobs.items() if one != "101_2"}
    assert array.states() == [SessionState.PENDING, SessionState.ABSENT, SessionState.PENDING]
    array.now += timedelta(seconds=LOST_AFTER_S + 1)
    assert array.states() == [SessionState.PENDING, SessionState.ENDED, SessionState.PENDING]
    assert (array.folder.root / "cancel-2").exists() and not array.folder.cancel.exists()


def test_tasks_that_were_never_fetched_are_recalled(array: Array, tmp_path: Path) -> None:
    for job in array.submit():
        job.state = "COMPLETED"
    for task in (1, 2, 3):
        array.start(task, steps=40)
    array.backend.fetch(TASKS[1], tmp_path / "out")
    lineage_id = array.push.ticket.lineage_id
    assert [one.handle for one in array.backend.recall(lineage_id)] == [TASKS[0], TASKS[2]]
