"""What a session leaves: manifest, events, log, ticket, records of its sandbox and of its pack."""

from __future__ import annotations

import dataclasses
import io
import json
import tempfile
from pathlib import Path

from orchestrator.backends.kaggle.client.log_parser import event_of_sse, lines_of_log
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.sandbox import read_json
from orchestrator.cli.output.console import Console
from orchestrator.core.autopsy.evidence import Evidence, Line
from orchestrator.core.autopsy.rules import autopsy
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.backend_types import Handle, Observation, Retrieval, SessionState
from orchestrator.core.session.judgement import judge
from orchestrator.core.session.live_progress import LiveProgress, measured
from orchestrator.core.session.script import tickets_in
from orchestrator.core.session.settling import newest_saved, open_question
from orchestrator.kernel.files.outputs import recent_events
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME, PACK_NAME, Ticket, parse_report, report_line
from orchestrator.stores.session.event_log import evaluations_in, session_curve
from orchestrator.stores.session.results import ResultsTree
from orchestrator.stores.session.results_author import author_of
from orchestrator.stores.session.written_outputs import read_outputs, written_sessions
from tests.fuzz.kind import Kind, require_plain, write
from tests.unit.kernel.makers import SCENARIO, make_ticket

TICKET = make_ticket(
    spec={
        **{"section": "section_7_6", "section_dir": "section_7_6_rl_performance", "profile": "quick", "criteria": {}},
        **{"evaluation_scenarios": 4, "lineage": {"seed": 0, "algorithm": "DQN"}},
    }
)
ENDED = Observation(state=SessionState.ENDED, native="COMPLETE", succeeded=True)


def _manifest() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_text("1")
        write_manifest(
            Path(folder),
            ticket=TICKET,
            outcome=SectionOutcome(
                ending=KernelEnding.FINISHED,
                steps_start=0,
                steps_done=40,
                verdict_reasons=("fast",),
                training={"best_model_score": 1.5},
                summary={"speed": {"mean": 2.0}},
                runtime={"torch": "2.6"},
            ),
            error=None,
            started_at="2026-01-01T00:00:00+00:00",
            ended_at="2026-01-01T00:10:00+00:00",
            timings_s={"wall": 600.0},
            preflight={"device": "cpu"},
        )
        return (Path(folder) / MANIFEST_NAME).read_bytes()


def _read_manifest(content: bytes, scratch: Path) -> bool:
    folder = scratch / "local_arz-validation-section-7-6-cccccccc-s01"
    write(folder, MANIFEST_NAME, content)
    manifest, faults = ResultsTree(scratch).manifest(folder)
    judged = judge(TICKET, ENDED, manifest, faults)
    require_plain(dataclasses.asdict(judged))
    retrieval = Retrieval(folder=folder, missing=())
    open_question(TICKET, ENDED, retrieval, manifest, faults, steps_verified=0)
    author = author_of(folder, TICKET.section_dir, SCENARIO)
    require_plain(author and author.to_json())
    require_plain([dataclasses.asdict(one) for one in written_sessions(scratch)])
    found = autopsy(Evidence(subject="x", name="x", outputs=read_outputs(folder, "x")), str)
    require_plain(found.to_json())
    return manifest is not None


_EVENTS = (
    {"at": "2026-01-01T00:00:00+00:00", "kind": "started", "nonce": TICKET.nonce, "section": "section_7_6"},
    {"at": "2026-01-01T00:01:00+00:00", "kind": "progress", "steps": 10, "target_steps": 40, "steps_per_s": 2.0},
    {"at": "2026-01-01T00:02:00+00:00", "kind": "progress", "steps": 20, "target_steps": 40, "eta_s": 10.0},
    {"at": "2026-01-01T00:02:01+00:00", "kind": "evaluated", "steps": 20, "score": 1.5, "measures": {"speed": 3.0}},
)


def _record(folder: Path) -> SessionRecord:
    return SessionRecord(
        **{"key": "run/s01a1", "run_id": "run", "lineage_id": "c" * 64, "session": 1, "attempt": 1, "slug": "slug"},
        **{"backend": "local", "nonce": TICKET.nonce, "ticket": TICKET.to_json(), "stage": Stage.CLOSED},
        **{"planned_at": "2026-01-01T00:00:00+00:00", "handle": "local://local/slug", "steps_start": 0},
        results_dir=str(folder),
    )


def _read_events(content: bytes, scratch: Path) -> bool:
    path = write(scratch, EVENTS_NAME, content)
    require_plain(evaluations_in(scratch))
    found = measured(recent_events(path))
    row = {
        "session": "s",
        "backend": "local",
        "handle": None,
        "stage": "x",
        "state": "",
        "target_steps": 40,
        "steps": 0,
    }
    require_plain(LiveProgress(**{**row, **found}).to_json())
    require_plain(LiveProgress(**{**row, **found}).line)
    require_plain(autopsy(Evidence(subject="x", name="x", outputs=read_outputs(scratch, "x")), str).to_json())
    try:
        curve = session_curve(_record(scratch))
    except RunFailed as fault:
        require_plain(str(fault))
        return False
    require_plain(curve and dataclasses.asdict(curve))
    return True


_LOG = "\n".join(
    (
        "[CHECKPOINT] Starting fresh training",
        report_line("progress", steps=10, target_steps=40, steps_per_s=2.0, eta_s=15.0, reward_mean=-1.5),
        report_line("saved", steps=20),
        report_line("phase", text="evaluating"),
        "Traceback (most recent call last):",
        "ValueError: \x1b[31mred\x1b[0m",
    )
)
_LOG_EVENTS = [{"stream_name": "stdout", "time": 0.5, "data": f"{line}\n"} for line in _LOG.split("\n")]


def _read_log(content: bytes, scratch: Path) -> bool:
    text = content.decode("utf-8", "replace")
    lines = lines_of_log(text)
    lines += [str(event.get("data")) for line in text.split("\n") if (event := event_of_sse(line)) is not None]
    stream = io.StringIO()
    console = Console(stream, monotonic=lambda: 0.0)
    reports = 0
    for line in lines:
        report = parse_report(line)
        console.say(line)
        if report is not None:
            reports += 1
            console.progress(report)
    newest_saved(lines)
    assert "\x1b" not in stream.getvalue() and "\x9b" not in stream.getvalue()
    write(scratch, "kernel.log", content)
    outputs = read_outputs(scratch, "x")
    outputs = dataclasses.replace(outputs, log=tuple(Line(number=1, text=line) for line in lines)[-400:])
    require_plain(autopsy(Evidence(subject="x", name="x", outputs=outputs), str).to_json())
    return reports > 0


def _read_ticket(content: bytes, scratch: Path) -> bool:
    text = content.decode("utf-8", "replace")
    script = f"TICKET = {text}\n\nARCHIVE_SHA256 = ''\n"
    found = tickets_in(script) or tickets_in(script.replace("null", "None").replace("true", "True"))
    require_plain([one.to_json() for one in found])
    return bool(found)


_SANDBOX = {
    "submitted.json": {"nonce": TICKET.nonce, "at": "2026-01-01T00:00:00+00:00"},
    "exit.json": {"exit_code": 0, "reason": None, "at": "2026-01-01T00:00:00+00:00"},
    "ticket.json": TICKET.to_json(),
    "companions.json": {"tickets": [TICKET.to_json()]},
}


def _read_sandbox(content: bytes, scratch: Path) -> bool:
    backend = LocalBackend(scratch)
    usable = []
    for odd in _SANDBOX:
        slug = odd.partition(".")[0]
        (scratch / slug / "kaggle/working").mkdir(parents=True, exist_ok=True)
        for name, plain in _SANDBOX.items():
            write(scratch / slug, name, content if name == odd else json.dumps(plain).encode())
        handle = Handle(backend="local", owner="local", slug=slug)
        seen = backend.observe(handle)
        found = backend.read_all(slug)
        require_plain([seen.native, seen.exit_code, [one.ticket.to_json() for one in found]])
        if read_json(scratch / slug / "submitted.json"):  # a damaged one is an error of the backend: see its test
            backend.find(TICKET, slug)
        backend.recall(TICKET.lineage_id)
        usable.append(bool(read_json(scratch / slug / odd)))
    return any(usable)


def _read_pack(content: bytes, scratch: Path) -> bool:
    path = write(scratch, PACK_NAME, content)
    require_plain([exit_code_in_pack(path, number) for number in (1, 2)])
    return exit_code_in_pack(path, 1) is not None


def _read_wire_ticket(content: bytes, scratch: Path) -> bool:
    try:
        ticket = Ticket.from_json(json.loads(content))
    except (ValueError, RecursionError, AttributeError):  # of json and of a value that is no object
        return False
    require_plain(ticket.to_json())
    return True


KINDS = (
    Kind(name="manifest", seeds=(_manifest(),), read=_read_manifest),
    Kind(name="events", seeds=("\n".join(map(json.dumps, _EVENTS)).encode(),), read=_read_events),
    Kind(
        name="log",
        seeds=(_LOG.encode(), json.dumps(_LOG_EVENTS).encode(), f"data: {json.dumps(_LOG_EVENTS[1])}".encode()),
        read=_read_log,
    ),
    Kind(name="ticket in a script", seeds=(json.dumps(TICKET.to_json()).encode(),), read=_read_ticket),
    Kind(name="ticket", seeds=(json.dumps(TICKET.to_json()).encode(),), read=_read_wire_ticket),
    Kind(name="sandbox", seeds=tuple(json.dumps(plain).encode() for plain in _SANDBOX.values()), read=_read_sandbox),
    Kind(
        name="pack record",
        seeds=(json.dumps({"side_by_side": 2, "members": {"member_01": {"exit_code": 0}}}).encode(),),
        read=_read_pack,
    ),
)
