"""What the backend makes of Ray's jobs, of a lost answer, and of a head that forgets them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from orchestrator.backends.ray.backend import RayBackend
from orchestrator.backends.ray.client import Jobs
from orchestrator.backends.ray.folder import ASKED, WITHDRAWN, SessionFolder
from orchestrator.backends.ray.observation import LOST_AFTER_S, SILENT_S
from orchestrator.backends.ray.storage import open_storage
from orchestrator.core.errors import BadInput, NameTaken, NotYet, OutcomeUnknown, RemoteUnavailable
from orchestrator.core.section.ray import RaySettings
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Observation, Push, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import digest_of
from tests.doubles.memory_ray import MemoryJob, MemoryRay, Refused
from tests.unit.kernel.makers import make_ticket

SLUG = "arz-validation-section-7-6-00000000-s01"
HANDLE = Handle(backend="ray", owner="ray", slug=SLUG)
ADDRESS = "http://head:8265"

READS = """
import os, pathlib
root = pathlib.Path(os.environ["ORCHESTRATOR_KAGGLE_ROOT"])
for path in sorted((root / "input").rglob("*")):
    if path.is_file():
        print(path.relative_to(root / "input"), path.read_text())
pathlib.Path("model.bin").write_bytes(bytes(1000))
pathlib.Path("deep/er").mkdir(parents=True)
pathlib.Path("deep/er/one.txt").write_text("ä\\n", "utf-8")
pathlib.Path(".reserve").write_bytes(bytes(10))
pathlib.Path(".partial-model.bin").write_bytes(bytes(10))
os.symlink("/nowhere", "broken")
raise SystemExit(3)
"""
WAITS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("saved.txt").write_text("saved"), sys.exit(0)))
pathlib.Path("early.txt").write_text("early")
print("READY", flush=True)
while True:
    time.sleep(0.02)
"""


class Side:
    """A backend on a cluster with a memory, and its session."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.memory = MemoryRay()
        self.now = datetime.now(UTC)
        self.url = f"file://{root}/sessions"
        self.storage = open_storage(self.url, {})
        self.settings = RaySettings(address=ADDRESS, storage=self.url, python=sys.executable)
        self.backend = RayBackend(Jobs(self.memory, ADDRESS), self.settings, self.storage, 0.05, lambda: self.now)
        self.folder = SessionFolder(storage=self.storage, slug=SLUG)
        self.push = self.of("1" * 32)

    def of(self, nonce: str, script: str = "print()", checkpoints: CheckpointSet | None = None) -> Push:
        spec = {**make_ticket().spec, "deadline_s": 60.0, "profile": "quick", "criteria": {}, "lineage": {}}
        ticket = replace(make_ticket(), nonce=nonce, spec=spec, spec_digest=digest_of(spec))
        nothing = CheckpointSet(root=self.root, entries=())
        return self.backend.prepare(ticket, script, checkpoints or nothing, SLUG, Carrier.DATASET)

    def submit(self, push: Push | None = None) -> MemoryJob:
        self.backend.stage(push or self.push)
        self.backend.submit(push or self.push)
        return self.memory.jobs[SLUG]

    def observe(self) -> Observation:
        return self.backend.observe(HANDLE)

    def start(self, name: str, *, steps: int | None = None, nonce: str = "1" * 32, at: datetime | None = None) -> None:
        """What a start has stored; with steps, one that has run to its end."""
        files = {"mark.txt": name.encode()}
        if steps is not None:
            files["session_manifest.json"] = json.dumps(_manifest(self.push, steps, nonce).to_json()).encode()
        entries = []
        for path, content in files.items():
            (self.root / "one").write_bytes(content)
            entry = file_entry(self.root / "one", self.root)
            self.storage.write(f"{SLUG}/starts/{name}/objects/{entry.sha256}", content)
            entries.append({"path": path, "size_bytes": len(content), "sha256": entry.sha256})
        moment = (at or self.now).isoformat()
        index = {
            **{"number": 1, "nonce": "1" * 32, "begun_at": f"2026-01-01T00:00:0{name}+00:00", "at": moment},
            **{"asked": False, "exit_code": None if steps is None else 0, "ended": steps is not None},
            **{"log": None, "files": entries, "left": []},
        }
        self.storage.write(f"{SLUG}/starts/{name}/index-1.json", json.dumps(index).encode())


def _manifest(push: Push, steps: int, nonce: str) -> Manifest:
    ticket = replace(push.ticket, nonce=nonce)
    return Manifest(
        stamp=ticket.stamp(),
        spec=dict(ticket.spec),
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:01:00+00:00",
        exit_code=0,
        error=None,
        outcome=SectionOutcome(ending=KernelEnding.PAUSED, steps_start=0, steps_done=steps),
        inputs=(),
        files=(),
        timings_s={},
    )


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


def test_a_session_gets_its_inputs_and_gives_its_outputs_back(side: Side, tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "checkpoints").mkdir(parents=True)
    for name in ("a.zip", "b.zip"):
        (models / "checkpoints" / name).write_text("the same content")
    entries = tuple(file_entry(path, models) for path in sorted((models / "checkpoints").iterdir()))
    side.submit(side.of("1" * 32, READS, CheckpointSet(root=models, entries=entries)))
    job = side.memory.run(SLUG)
    assert (job.status, job.driver_exit_code) == ("FAILED", 3), job.log
    assert side.observe() == Observation(state=SessionState.ENDED, native="FAILED", exit_code=3)
    retrieval = side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert retrieval.missing == ("broken is a broken link or no regular file: not copied",)
    found = {path.relative_to(retrieval.folder).as_posix() for path in retrieval.folder.rglob("*") if path.is_file()}
    assert found == {"model.bin", "deep/er/one.txt", "kernel.log"}
    assert (retrieval.folder / "deep/er/one.txt").read_text("utf-8") == "ä\n"
    lines = [f"{SLUG}-checkpoints/checkpoints/{name}.zip the same content" for name in "ab"]
    assert (retrieval.folder / "kernel.log").read_text("utf-8").splitlines() == lines
    assert [line for line, _ in side.backend.follow(HANDLE, 0)] == lines
    assert len(list((tmp_path / "sessions" / SLUG / "input").iterdir())) == 1  # by digest


def test_a_cancel_lets_the_session_save(side: Side, tmp_path: Path) -> None:
    side.submit(side.of("1" * 32, WAITS))
    job = side.memory.run(SLUG, lambda process: side.backend.cancel(HANDLE))
    assert (job.status, job.driver_exit_code) == ("SUCCEEDED", 0), job.log
    assert side.memory.stopped == []  # Ray would send TERM to every process of the job
    folder = side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder
    assert (folder / "saved.txt").read_text() == "saved"


def test_a_stop_by_ray_itself_lets_the_session_save_too(side: Side, tmp_path: Path) -> None:
    side.submit(side.of("1" * 32, WAITS))
    job = side.memory.run(SLUG, lambda process: os.killpg(process, signal.SIGTERM))
    job.status = "STOPPED"
    assert int(job.runtime_env["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 600
    assert side.observe() == Observation(
        state=SessionState.ENDED, native="STOPPED", exit_code=0, reason=EndReason.STOPPED
    )
    assert (side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder / "saved.txt").is_file()


def test_a_killed_job_leaves_what_it_stored_last(side: Side, tmp_path: Path) -> None:
    side.submit(side.of("1" * 32, WAITS))

    def kill(process: int) -> None:
        stored = tmp_path / "sessions" / SLUG / "starts"
        while not any("early.txt" in path.read_text() for path in stored.glob("*/index-*.json")):
            pass
        os.killpg(process, signal.SIGKILL)

    job = side.memory.run(SLUG, kill)
    job.error_type, job.driver_exit_code = "JOB_SUPERVISOR_ACTOR_DIED", None
    assert side.observe() == Observation(state=SessionState.ENDED, native="FAILED (JOB_SUPERVISOR_ACTOR_DIED)")
    folder = side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder
    assert (folder / "early.txt").read_text() == "early"
    assert "READY" in (folder / "kernel.log").read_text()
    assert side.folder.asked_by() == WITHDRAWN  # Ray may have lost a node that still works


@pytest.mark.parametrize("why", [ASKED, WITHDRAWN])
def test_a_job_that_starts_too_late_leaves_at_once(side: Side, why: bytes) -> None:
    side.submit(side.of("1" * 32, READS))
    side.folder.ask_to_stop(why)
    job = side.memory.run(SLUG)
    assert job.driver_exit_code == 0 and "Not started: the session was asked to stop." in job.log
    assert side.observe().reason is (EndReason.CANCELLED if why == ASKED else None)


@pytest.mark.parametrize(("name", "code"), [("driver.py", 1), ("kernel.py", 64)])
def test_a_changed_file_in_the_storage_is_not_run(side: Side, name: str, code: int) -> None:
    side.submit(side.of("1" * 32, READS))
    side.storage.write(f"{SLUG}/{name}", b"print('planted')\n")
    job = side.memory.run(SLUG)
    assert job.driver_exit_code == code
    assert f"{name} in the storage is not the one that was submitted" in job.log and "planted" not in job.log


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", SessionState.PENDING),
        ("RUNNING", SessionState.RUNNING),
        ("A_NEW_WORD", SessionState.UNKNOWN),
    ],
)
def test_states_of_a_job_that_goes_on(side: Side, status: str, state: SessionState) -> None:
    side.submit().status = status
    assert side.observe() == Observation(state=state, native=status)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "RAY_JOB_START_TIMEOUT_SECONDS"),
        ("JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE", "No node can give"),
        ("RUNTIME_ENV_SETUP_FAILURE", "ray.pip"),
    ],
)
def test_a_job_that_never_began_says_why(side: Side, tmp_path: Path, error: str, words: str) -> None:
    job = side.submit()
    job.status, job.error_type, job.log = "FAILED", error, "Runtime env is setting up.\nno such package"
    seen = side.observe()
    assert (seen.state, seen.native, seen.exit_code) == (SessionState.ENDED, f"FAILED ({error})", None)
    assert words in seen.note
    log = side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder / "kernel.log"
    assert "no such package" in log.read_text()


@pytest.mark.parametrize(
    ("steps", "counted"),
    [((None, 40), "2"), ((40, None), "1"), ((40, 40), "1"), ((20, 40), "2"), ((40, 20), "1"), ((None, None), "1")],
)
def test_which_start_counts(side: Side, tmp_path: Path, steps: tuple[int | None, ...], counted: str) -> None:
    side.submit().status = "SUCCEEDED"
    for number, done in enumerate(steps, 1):
        side.start(str(number), steps=done)
    folder = side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder
    assert (folder / "mark.txt").read_text() == counted


def test_the_manifest_of_another_session_does_not_count(side: Side, tmp_path: Path) -> None:
    side.submit().status = "SUCCEEDED"
    side.start("1", steps=90, nonce="9" * 32)
    side.start("2", steps=40)
    assert (side.backend.fetch(HANDLE, tmp_path / "out" / "x").folder / "mark.txt").read_text() == "2"


@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_answer_is_settled_by_the_nonce(side: Side, lost: bool) -> None:
    side.backend.stage(side.push)
    side.memory.fault, side.memory.lost = requests.ReadTimeout("read timed out"), lost
    with pytest.raises(OutcomeUnknown, match="read timed out"):
        side.backend.submit(side.push)
    side.memory.fault = None
    assert side.backend.find(side.push.ticket, SLUG) == (HANDLE if lost else None)
    assert (side.backend.read(SLUG) is not None) is lost
    assert side.backend.find(side.of("2" * 32).ticket, SLUG) is None


def test_a_second_submit_finds_the_first(side: Side) -> None:
    side.submit()
    assert side.backend.submit(side.push) == HANDLE
    assert list(side.memory.jobs) == [SLUG]
    with pytest.raises(NameTaken, match="already has a job"):
        side.backend.submit(side.of("2" * 32))


def test_a_name_in_use_is_not_taken_again(side: Side) -> None:
    side.submit()
    side.backend.stage(side.push)  # repeatable
    with pytest.raises(NameTaken):
        side.backend.stage(side.of("2" * 32))
    side.folder.remove()  # another project on the same cluster, with a storage of its own
    with pytest.raises(NameTaken, match="another session, on Ray"):
        side.backend.stage(side.of("2" * 32))


def test_a_folder_that_was_never_submitted_is_filled_again(side: Side) -> None:
    side.backend.stage(side.of("2" * 32))
    side.backend.stage(side.push)
    assert [one.nonce for one in side.folder.tickets()] == ["1" * 32]


def test_a_job_of_the_same_name_with_another_nonce_is_another(side: Side) -> None:
    side.backend.stage(side.push)
    for metadata in ({"orchestrator": "7" * 32}, {}):
        side.memory.jobs[SLUG] = MemoryJob("sleep 1", {}, metadata, {}, status="PENDING")
        assert side.backend.find(side.push.ticket, SLUG) is None
        assert side.observe().state is SessionState.ABSENT
        side.backend.cancel(HANDLE)
    assert side.memory.stopped == []


def test_a_started_session_is_found_when_ray_has_forgotten_it(side: Side) -> None:
    side.backend.stage(side.push)
    side.start("1")  # the answer to the submit was lost, and this program was killed
    assert side.backend.find(side.push.ticket, SLUG) == HANDLE


def test_a_forgotten_job_has_ended_once_it_is_silent(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    side.start("1")
    assert side.observe() == Observation(state=SessionState.RUNNING, native="not known to Ray, but storing")
    assert side.folder.asked_by() is None
    side.now += timedelta(seconds=SILENT_S + 1)
    assert side.observe() == Observation(state=SessionState.ENDED, native="not known to Ray any more")
    assert side.folder.asked_by() == WITHDRAWN


def test_a_forgotten_job_with_a_manifest_has_ended(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    side.start("1", steps=40)
    seen = side.observe()
    assert (seen.state, seen.exit_code) == (SessionState.ENDED, 0)
    assert side.folder.asked_by() is None


def test_a_job_that_was_lost_before_it_started_ends_and_stays_lost(side: Side) -> None:
    side.submit()
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ABSENT
    side.now += timedelta(seconds=LOST_AFTER_S + 1)
    assert side.observe().native == "lost before it started"
    assert side.folder.asked_by() == WITHDRAWN  # the driver leaves where it finds this file


def test_no_cluster_is_no_end(side: Side) -> None:
    side.submit()
    side.start("1", steps=40)
    side.memory.fault = requests.ConnectionError("Connection refused")
    for ask in (side.observe, lambda: side.backend.cancel(HANDLE)):
        with pytest.raises(RemoteUnavailable, match=r"Ray at http://head:8265: Connection refused") as caught:
            ask()
        assert caught.value.transient
    assert side.folder.asked_by() == ASKED  # the running session finds it all the same


def test_cancel_stops_a_job_that_waits(side: Side) -> None:
    job = side.submit()
    side.backend.cancel(HANDLE)
    assert side.memory.stopped == [SLUG]
    assert side.observe() == Observation(
        state=SessionState.ENDED, native="PENDING, and asked to stop", reason=EndReason.CANCELLED
    )
    job.status = "STOPPED"
    assert side.observe() == Observation(state=SessionState.ENDED, native="STOPPED", reason=EndReason.CANCELLED)
    job.status = "RUNNING"
    side.backend.cancel(HANDLE)
    assert side.memory.stopped == [SLUG]
    side.backend.cancel(replace(HANDLE, slug="never-was"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": 2}', b"\x00"])
def test_an_index_that_was_cut_off_leaves_the_one_before(side: Side, number: int, content: bytes) -> None:
    side.submit()
    side.start("1", steps=40)
    side.memory.jobs.clear()
    side.storage.write(f"{SLUG}/starts/1/index-{number}.json", content)
    seen = side.observe()
    assert (seen.state, seen.exit_code) == ((SessionState.ENDED, 0) if number == 0 else (SessionState.ABSENT, None))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"nonce": 1}', b"\x00"])
def test_a_damaged_note_is_no_crash(side: Side, content: bytes) -> None:
    side.submit()
    side.storage.write(f"{SLUG}/submitted.json", content)
    assert side.observe().state is SessionState.PENDING
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ABSENT
    assert side.backend.find(side.push.ticket, SLUG) == HANDLE
    assert side.backend.read(SLUG) is not None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"tickets": []}', b'{"tickets": [1]}', b"\xff"])
def test_damaged_tickets_are_no_session(side: Side, content: bytes) -> None:
    side.submit()
    side.storage.write(f"{SLUG}/tickets.json", content)
    assert side.observe().state is SessionState.ABSENT
    assert side.backend.read(SLUG) is None


def _damage(path: Path) -> None:
    path.write_bytes(b"other bytes")


@pytest.mark.parametrize(
    ("act", "words"),
    [(_damage, "is damaged in the storage"), (Path.unlink, "is not in the storage any more")],
)
def test_an_output_that_is_not_what_was_stored_is_missing(
    side: Side, tmp_path: Path, act: Callable[[Path], None], words: str
) -> None:
    side.submit().status = "SUCCEEDED"
    side.start("1", steps=40)
    objects = tmp_path / "sessions" / SLUG / "starts/1/objects"
    act(next(path for path in objects.iterdir() if path.read_bytes() == b"1"))
    retrieval = side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert retrieval.missing == (f"mark.txt {words}",)
    assert not (retrieval.folder / "mark.txt").exists()


def test_an_output_outside_of_the_outputs_is_not_written(side: Side, tmp_path: Path) -> None:
    side.submit().status = "SUCCEEDED"
    side.start("1", steps=40)
    index = tmp_path / "sessions" / SLUG / "starts/1/index-1.json"
    index.write_text(index.read_text().replace('"mark.txt"', '"../../planted.txt"'))
    retrieval = side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert retrieval.missing == ("../../planted.txt lies outside of the outputs: not copied",)
    assert not list(tmp_path.rglob("planted.txt"))


def test_outputs_that_were_never_fetched_are_recalled(side: Side, tmp_path: Path) -> None:
    side.submit().status = "SUCCEEDED"
    side.start("1", steps=40)
    lineage_id = side.push.ticket.lineage_id
    assert [one.handle for one in side.backend.recall(lineage_id)] == [HANDLE]
    assert list(side.backend.recall("f" * 64)) == []
    side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    assert list(side.backend.recall(lineage_id)) == []


def test_old_outputs_are_deleted_once_they_were_fetched(side: Side, tmp_path: Path) -> None:
    side.submit().status = "SUCCEEDED"
    side.start("1", steps=40)
    side.backend.fetch(HANDLE, tmp_path / "out" / "x")
    for number in range(3):  # three newer ones
        SessionFolder(storage=side.storage, slug=f"arz-{SLUG}-{number}").note_fetched(None)
    later = replace(side.push, slug="another")
    side.backend.stage(later)
    assert side.folder.starts() != []
    for number in range(3):
        SessionFolder(storage=side.storage, slug=f"{SLUG}-{number}").note_fetched(None)
    side.backend.stage(later)
    assert side.folder.starts() == [] and side.folder.submitted() is not None
    assert side.backend.fetch(HANDLE, tmp_path / "out" / "x").missing == ()
    assert side.backend.fetch(HANDLE, tmp_path / "out" / "y").missing == ("every output",)
    side.memory.jobs.clear()
    assert side.observe().state is SessionState.ENDED
    with pytest.raises(NameTaken):
        side.backend.stage(side.of("2" * 32))


def test_a_failed_stage_leaves_nothing(side: Side, tmp_path: Path) -> None:
    gone = CheckpointSet(root=tmp_path, entries=(file_entry(Path(__file__), Path(__file__).parent),))
    with pytest.raises(RemoteUnavailable, match="the storage file://"):
        side.backend.stage(side.of("1" * 32, "print()", gone))
    assert list(side.backend.names("")) == []


def test_a_dry_run_shows_what_is_asked_for(side: Side) -> None:
    side.settings = RaySettings(
        address=ADDRESS, storage=side.url, num_cpus=2, num_gpus=0.5, mem="8G", resources={"TPU": 1}, pip=("fsspec",)
    )
    backend = RayBackend(Jobs(side.memory, ADDRESS), side.settings, side.storage)
    push = backend.prepare(side.push.ticket, "print()", side.push.checkpoints, SLUG, Carrier.NONE)
    shown = json.loads(json.dumps(push.describe()))
    assert shown["entrypoint_num_cpus"] == 2 and shown["entrypoint_num_gpus"] == 0.5
    assert shown["entrypoint_memory"] == 8 << 30 and shown["entrypoint_resources"] == {"TPU": 1}
    assert shown["runtime_env"]["pip"] == ["fsspec"] and shown["storage"] == side.url
    assert side.memory.jobs == {} and list(side.backend.names("")) == []
    assert backend.capabilities.device == "Ray, 2 CPU, 0.5 GPU, 1 TPU"
    assert (backend.capabilities.cores, backend.capabilities.gpus) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (
            Refused("Request failed with status code 500: No available agent to submit job, please try again later."),
            NotYet,
        ),
        (ConnectionError("Failed to connect to Ray at address: http://head:8265."), NotYet),
        (requests.ConnectionError("NewConnectionError: [Errno 111] Connection refused"), NotYet),
        (requests.ConnectionError("Connection aborted: RemoteDisconnected"), OutcomeUnknown),
        (requests.exceptions.JSONDecodeError("Expecting value", "", 0), OutcomeUnknown),
        (Refused("Request failed with status code 502: Bad Gateway"), OutcomeUnknown),
        (Refused("Request failed with status code 400: ValueError: bad label"), BadInput),
        (ValueError("The value nan is not valid"), BadInput),
    ],
)
def test_a_submit_that_fails(side: Side, fault: Exception, kind: type[Exception]) -> None:
    side.backend.stage(side.push)
    side.memory.fault = fault
    with pytest.raises(kind) as caught:
        side.backend.submit(side.push)
    assert type(caught.value) is kind
    side.memory.fault = None
    assert side.backend.find(side.push.ticket, SLUG) is None
