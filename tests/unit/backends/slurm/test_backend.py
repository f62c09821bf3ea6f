"""What the backend makes of the queue, of a lost answer, of a controller that forgets a job or starts it twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.here import Here
from orchestrator.backends.slurm.listing import ROUND_S, SHARED_S, JobListing
from orchestrator.backends.slurm.observation import LOST_AFTER_S, SILENT_S
from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.starts import own_manifest
from orchestrator.core.errors import NameTaken, NotYet, OutcomeUnknown, RemoteUnavailable
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Observation, Push, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import judge
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import digest_of
from tests.doubles.slurm_commands import DOWN, MemorySlurm, Row
from tests.unit.kernel.makers import make_ticket

SLUG = "arz-validation-section-7-6-00000000-s01"
HANDLE = Handle(backend="slurm", owner="slurm", slug=SLUG)


class Side:
    """A backend on a queue with a memory, and its session."""

    def __init__(self, root: Path) -> None:
        self.memory = MemorySlurm()
        self.now = datetime.now(UTC)
        self.folder = SessionFolder(root=root / SLUG)
        self.clock_s = 0.0
        self.passes_s = 3600.0
        slurm = Slurm(self.memory, listing=JobListing(self.monotonic))
        self.backend = SlurmBackend(slurm, SlurmSettings(), Here(root), "python3", lambda: self.now)
        self.push = self.of_nonce("1" * 32)

    def monotonic(self) -> float:
        """A clock on which `passes_s` pass between two readings."""
        self.clock_s += self.passes_s
        return self.clock_s

    def of_nonce(self, nonce: str) -> Push:
        spec = {**make_ticket().spec, "deadline_s": 60.0, "profile": "quick", "criteria": {}, "lineage": {}}
        ticket = replace(make_ticket(), nonce=nonce, spec=spec, spec_digest=digest_of(spec))
        nothing = CheckpointSet(root=self.folder.root, entries=())
        return self.backend.prepare(ticket, "print()", nothing, SLUG, Carrier.NONE)

    def submit(self) -> Row:
        self.backend.stage(self.push)
        self.backend.submit(self.push)
        return self.memory.jobs[101]

    def observe(self) -> Observation:
        return self.backend.observe(HANDLE)

    def start(self, number: int, *, steps: int | None = None, nonce: str = "1" * 32) -> Path:
        """A start of the job; with steps, one that has run to its end."""
        working = self.folder.output(number, None)
        working.mkdir(parents=True)
        (working / "mark.txt").write_text(str(number))
        if steps is not None:
            write_manifest(
                working,
                ticket=replace(self.push.ticket, nonce=nonce),
                outcome=SectionOutcome(ending=KernelEnding.PAUSED, steps_start=0, steps_done=steps),
                error=None,
                started_at="2026-01-01T00:00:00+00:00",
                ended_at="2026-01-01T00:01:00+00:00",
                timings_s={},
                preflight={},
            )
        return working

    def fall_silent(self) -> None:
        long_ago_s = time.time() - SILENT_S - 60
        for path in self.folder.root.rglob("*"):
            os.utime(path, (long_ago_s, long_ago_s), follow_symlinks=False)


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path / "sessions")


@pytest.mark.parametrize(
    ("state", "reason", "expected", "native"),
    [
        ("PENDING", "Resources", SessionState.PENDING, "PENDING (Resources)"),
        ("PENDING", "None", SessionState.PENDING, "PENDING"),
        ("REQUEUE_HOLD", "JobHeldUser", SessionState.PENDING, "REQUEUE_HOLD (JobHeldUser)"),
        ("RUNNING", "None", SessionState.RUNNING, "RUNNING"),
        ("SUSPENDED", "None", SessionState.RUNNING, "SUSPENDED"),
        ("COMPLETING", "None", SessionState.SAVING, "COMPLETING"),
        ("A_NEW_WORD", "None", SessionState.UNKNOWN, "A_NEW_WORD"),
    ],
)
def test_states_of_a_job_that_goes_on(side: Side, state: str, reason: str, expected: SessionState, native: str) -> None:
    job = side.submit()
    job.state, job.reason = state, reason
    seen = side.observe()
    assert (seen.state, seen.native) == (expected, native)
    assert ("scontrol release 101" in seen.note) is (reason == "JobHeldUser")


@pytest.mark.parametrize(
    ("state", "exit_code", "code", "reason"),
    [
        ("COMPLETED", "0:0", 0, None),
        ("FAILED", "1:0", 1, None),
        ("FAILED", "0:9", 137, None),
        ("TIMEOUT", "0:15", None, EndReason.WALL_LIMIT),
        ("CANCELLED", "0:15", None, EndReason.CANCELLED),
        ("OUT_OF_MEMORY", "0:125", 137, None),
        ("NODE_FAIL", "0:0", None, None),
        ("PREEMPTED", "0:15", None, None),
    ],
)
def test_ends_without_a_manifest(
    side: Side, state: str, exit_code: str, code: int | None, reason: EndReason | None
) -> None:
    job = side.submit()
    job.state, job.exit_code = state, exit_code
    side.start(1)
    assert side.observe() == Observation(state=SessionState.ENDED, native=state, exit_code=code, reason=reason)


@pytest.mark.parametrize("state", ["TIMEOUT", "CANCELLED", "PREEMPTED", "NODE_FAIL"])
def test_a_session_that_saved_before_slurm_ended_it_has_its_own_exit_code(side: Side, state: str) -> None:
    job = side.submit()
    job.state, job.exit_code = state, "0:15"
    side.start(1, steps=40)
    seen = side.observe()
    assert seen.exit_code == 0
    manifest = own_manifest(side.folder.output(1, None), None)
    expected = EndReason.STOPPED if state == "CANCELLED" else EndReason.PAUSED  # `scancel` by hand is no preemption
    assert judge(side.push.ticket, seen, manifest, ()).end_reason is expected


def test_a_job_that_came_back_into_the_queue_is_counted_once(side: Side, tmp_path: Path) -> None:
    """kill -9 of slurmctld: the running job was PENDING again, its copy was killed, and it ran a second time."""
    job = side.submit()
    job.state = "RUNNING"
    side.start(1)
    assert side.observe().state is SessionState.RUNNING
    job.state = "PENDING"
    assert side.observe().state is SessionState.PENDING
    job.state = "RUNNING"
    side.start(2, steps=40)
    job.state = "COMPLETED"
    assert side.observe().exit_code == 0
    retrieval = side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert (retrieval.folder / "mark.txt").read_text() == "2"
    assert len(side.backend.recall(side.push.ticket.lineage_id)) == 0


def test_a_session_that_has_ended_waits_for_no_second_start(side: Side) -> None:
    job = side.submit()
    side.start(1, steps=40)
    job.state = "PENDING"
    assert side.observe().state is SessionState.ENDED


@pytest.mark.parametrize(
    ("steps", "counted"),
    [((None, 40), "2"), ((40, None), "1"), ((40, 40), "1"), ((20, 40), "2"), ((40, 20), "1"), ((None, None), "1")],
)
def test_which_start_counts(side: Side, tmp_path: Path, steps: tuple[int | None, ...], counted: str) -> None:
    side.submit().state = "COMPLETED"
    for number, done in enumerate(steps, 1):
        side.start(number, steps=done)
    folder = side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder
    assert (folder / "mark.txt").read_text() == counted


def test_the_manifest_of_another_session_does_not_count(side: Side, tmp_path: Path) -> None:
    side.submit().state = "COMPLETED"
    side.start(1, steps=90, nonce="9" * 32)
    side.start(2, steps=40)
    assert (side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder / "mark.txt").read_text() == "2"


@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_answer_is_settled_by_the_nonce(side: Side, lost: bool) -> None:
    side.memory.refusal = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
    side.memory.lost = lost
    side.backend.stage(side.push)
    with pytest.raises(OutcomeUnknown):
        side.backend.submit(side.push)
    assert side.backend.find(side.push.ticket, SLUG) == (HANDLE if lost else None)
    assert (side.backend.read(SLUG) is not None) is lost
    assert side.backend.find(side.of_nonce("2" * 32).ticket, SLUG) is None


def test_a_job_of_the_same_name_with_another_nonce_is_another(side: Side) -> None:
    side.backend.stage(side.push)
    side.memory.jobs[5] = Row(SLUG, "orchestrator:" + "7" * 32, "RUNNING")
    side.memory.jobs[6] = Row(SLUG, "", "RUNNING")
    assert side.backend.find(side.push.ticket, SLUG) is None
    side.backend.cancel(HANDLE)
    assert not any(words[0] == "scancel" for words, _ in side.memory.seen)


def test_a_started_session_is_found_when_the_controller_has_forgotten_it(side: Side) -> None:
    side.backend.stage(side.push)
    side.start(1)  # the answer of sbatch was lost, and this program was killed
    assert side.backend.find(side.push.ticket, SLUG) == HANDLE


def test_a_forgotten_job_has_ended_once_it_is_silent(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    side.start(1)
    assert side.observe().state is SessionState.RUNNING
    side.fall_silent()
    assert side.observe() == Observation(state=SessionState.ENDED, native="not listed by squeue any more")


def test_a_forgotten_job_with_a_manifest_has_ended(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    side.start(1, steps=40)
    assert side.observe().exit_code == 0 and side.observe().state is SessionState.ENDED


def test_a_job_that_was_removed_before_it_started_ends_and_stays_removed(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ABSENT
    side.now += timedelta(seconds=LOST_AFTER_S + 1)
    assert side.observe().native == "removed before it started"
    assert side.folder.cancel.exists()  # the batch script leaves where it finds this file


def test_no_controller_is_no_end(side: Side) -> None:
    side.submit()
    side.start(1, steps=40)
    side.memory.down = True
    for ask in (side.observe, lambda: side.backend.cancel(HANDLE)):
        with pytest.raises(RemoteUnavailable) as caught:
            ask()
        assert caught.value.transient
    assert DOWN.partition(": ")[2].strip() in str(caught.value)


def test_cancel_removes_a_job_that_waits_and_signals_one_that_runs(side: Side) -> None:
    job = side.submit()
    side.backend.cancel(HANDLE)
    assert job.state == "CANCELLED"
    assert side.observe() == Observation(
        state=SessionState.ENDED, native="CANCELLED", exit_code=None, reason=EndReason.CANCELLED
    )
    job.state = "RUNNING"
    side.backend.cancel(HANDLE)
    assert side.memory.seen[-1][0] == ("scancel", "--batch", "--signal=TERM", "101")
    assert job.state == "RUNNING"
    side.backend.cancel(replace(HANDLE, slug="never-was"))


def test_a_name_in_use_is_not_taken_again(side: Side) -> None:
    side.submit()
    side.backend.stage(side.push)  # repeatable
    with pytest.raises(NameTaken):
        side.backend.stage(side.of_nonce("2" * 32))


def test_a_folder_that_was_never_submitted_is_filled_again(side: Side) -> None:
    side.backend.stage(side.of_nonce("2" * 32))
    side.backend.stage(side.push)
    assert side.folder.nonce.read_text() == "1" * 32


def test_a_refused_submit_leaves_nothing_to_find(side: Side) -> None:
    side.memory.refusal = "sbatch: error: AssocMaxSubmitJobLimit\n"
    side.backend.stage(side.push)
    with pytest.raises(NotYet, match="AssocMaxSubmitJobLimit"):
        side.backend.submit(side.push)
    assert side.backend.find(side.push.ticket, SLUG) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nonce": 1}', "\x00"])
def test_a_damaged_note_is_no_crash(side: Side, content: str) -> None:
    side.submit()
    side.folder.submitted.write_text(content)
    assert side.observe().state is SessionState.PENDING
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ABSENT
    assert side.backend.find(side.push.ticket, SLUG) == HANDLE
    assert side.backend.read(SLUG) is not None


def test_outputs_that_were_never_fetched_are_recalled(side: Side, tmp_path: Path) -> None:
    side.submit().state = "COMPLETED"
    side.start(1, steps=40)
    lineage_id = side.push.ticket.lineage_id
    assert [one.handle for one in side.backend.recall(lineage_id)] == [HANDLE]
    assert list(side.backend.recall("f" * 64)) == []
    side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert list(side.backend.recall(lineage_id)) == []


def test_old_outputs_are_deleted_once_they_were_fetched(side: Side, tmp_path: Path) -> None:
    side.submit().state = "COMPLETED"
    side.start(1, steps=40)
    side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    for number in range(3):  # three newer ones
        newer = SessionFolder(root=side.folder.root.with_name(f"newer-{number}"))
        newer.starts.mkdir(parents=True)
        newer.fetched(None).touch()
    other = replace(side.push, slug="another")
    side.backend.stage(other)
    assert not side.folder.starts.exists() and side.folder.submitted.exists()
    assert side.backend.fetch(HANDLE, tmp_path / "out" / "x").missing == ()
    assert side.backend.fetch(HANDLE, tmp_path / "out" / "y").missing == ("every output",)
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ENDED
    with pytest.raises(NameTaken):
        side.backend.stage(side.of_nonce("2" * 32))


def test_a_dry_run_shows_what_is_asked_for(side: Side) -> None:
    shown = json.loads(json.dumps(side.push.describe()))
    assert shown["sbatch"] == {"cpus-per-task": "1", "time": "60"}
    assert shown["folder"] == str(side.folder.root.parent)
    assert not side.folder.root.exists() and side.memory.seen == []


def _asked(side: Side, command: str) -> int:
    return sum(words[0] == command for words, _ in side.memory.seen)


def test_one_squeue_answers_every_look_of_a_moment(side: Side) -> None:
    job, side.passes_s = side.submit(), 0.0
    for _ in range(20):
        assert side.observe().state is SessionState.PENDING
    assert _asked(side, "squeue") == 1
    job.state = "RUNNING"
    side.clock_s += SHARED_S + 0.1
    assert side.observe().state is SessionState.RUNNING and _asked(side, "squeue") == 2


def test_one_squeue_answers_a_tick_that_looks_once_at_each_session(side: Side) -> None:
    side.submit()
    side.passes_s = 0.0
    side.memory.jobs |= {number: Row(f"another-{number}", "", "RUNNING") for number in range(20)}
    handles = [HANDLE, *(replace(HANDLE, slug=f"another-{number}") for number in range(20))]
    for handle in handles:
        side.backend.observe(handle)
        side.clock_s += 1.25 * SHARED_S
    assert _asked(side, "squeue") == 1
    side.backend.observe(HANDLE)
    assert _asked(side, "squeue") == 2
    side.clock_s += ROUND_S + 0.1
    side.backend.observe(handles[1])
    assert _asked(side, "squeue") == 3
    side.clock_s += 1.25 * SHARED_S
    side.backend.observe(replace(HANDLE, slug="submitted-since"))
    assert _asked(side, "squeue") == 4


def test_an_end_is_not_asked_for_again_and_again(side: Side) -> None:
    job, side.passes_s = side.submit(), 0.0
    job.state = "COMPLETED"
    side.start(1, steps=40)
    assert side.observe().exit_code == 0
    side.clock_s += ROUND_S - 0.1
    assert side.observe().state is SessionState.ENDED and _asked(side, "squeue") == 1
    side.clock_s += 0.2
    assert side.observe().state is SessionState.ENDED and _asked(side, "squeue") == 2


def test_a_submit_a_cancel_and_a_search_are_followed_by_a_new_squeue(side: Side) -> None:
    side.passes_s = 0.0
    side.observe()
    job = side.submit()
    assert side.observe().state is SessionState.PENDING
    job.state = "RUNNING"
    side.backend.cancel(HANDLE)
    job.state = "COMPLETING"
    assert side.observe().state is SessionState.SAVING
    side.folder.submitted.unlink()
    del side.memory.jobs[101]
    assert side.backend.find(side.push.ticket, SLUG) is None


@pytest.mark.parametrize(("state", "asked"), [("COMPLETED", 0), ("TIMEOUT", 0), ("NODE_FAIL", 0), ("FAILED", 1)])
def test_scontrol_is_asked_only_for_a_code_that_the_state_does_not_say(side: Side, state: str, asked: int) -> None:
    side.submit().state = state
    side.start(1, steps=40)
    side.observe()
    assert _asked(side, "scontrol") == asked


def _unwritable(folder: Path) -> Callable[[], None]:
    folder.mkdir(parents=True)
    (folder / SLUG).write_text("")  # a file in the place of the session's folder
    return lambda: (folder / SLUG).unlink()


def test_a_folder_that_cannot_be_written_is_reported(side: Side) -> None:
    undo = _unwritable(side.folder.root.parent)
    with pytest.raises(OSError):
        side.backend.stage(side.push)
    undo()
    side.backend.stage(side.push)
