"""Property: whatever a session's manifest says, its judgement is recorded and read back the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from orchestrator.core.ledger.events import Event, EventKind, fold
from orchestrator.core.ledger.records import session_key
from orchestrator.core.session.backend_types import Handle, Observation, Retrieval, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import Judgement
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, Verdict
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import MOST_CHARS, MOST_WHOLE
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import WIRE_VERSION, Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import retrieve_and_analyze_logs
from orchestrator.pipeline.session.outputs import Collected
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.unit.stores.ledger.test_sqlite import TICKET, _plan, _start

KEY, RUN_ID = session_key("run", 1, 1), "run"
OWN = {**TICKET, "run_id": RUN_ID}
LONG = "<long>"
"""Stands for the longest text that a manifest may hold, so that a failing example can be printed."""
TEXTS = st.one_of(st.text(max_size=12), st.just(LONG), st.just("\x1b]0;a\x07\u2028é"))
WHOLE = st.one_of(st.none(), st.integers(0, MOST_WHOLE), st.just(MOST_WHOLE))
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**290), 10**290))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
TABLES = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
WHOLE_TIME = "2026-01-01T00:00:00+00:00"


def stamp() -> dict[str, Any]:
    names = ("run_id", "session", "attempt", "nonce", "section", "lineage_id", "spec_digest", "bundle_digest")
    return {name: OWN[name] for name in names}


PLAIN: dict[str, Any] = {
    **{"wire_version": WIRE_VERSION, "stamp": stamp(), "spec": OWN["spec"], "started_at": WHOLE_TIME},
    **{"ended_at": WHOLE_TIME, "exit_code": 0, "error": None, "inputs": [], "files": [], "timings_s": {}},
    **{"end_reason": "paused", "verdict": None, "verdict_reasons": [], "resume_reasons": [], "claim": None},
    **dict.fromkeys(("steps_start", "steps_done", "resumed_from", "resume_grade")),
    **{"training": {}, "summary": {}, "runtime": {}},
}


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that the reader of manifests accepts, and a little more."""
    ending = draw(st.sampled_from(KernelEnding))
    foreign = draw(st.one_of(st.just({}), st.dictionaries(st.sampled_from(["nonce", "section"]), TEXTS, max_size=1)))
    return {
        "wire_version": WIRE_VERSION,
        "stamp": {**stamp(), **foreign},
        "spec": draw(st.one_of(st.just(OWN["spec"]), TABLES)),
        "started_at": draw(st.one_of(TEXTS, st.datetimes().map(lambda one: one.isoformat()), st.just(WHOLE_TIME))),
        "ended_at": draw(st.one_of(TEXTS, st.just("9999-12-31T23:59:59+00:00"), st.just(WHOLE_TIME))),
        "exit_code": EXIT_CODES[ending],
        "error": draw(st.one_of(st.none(), TEXTS)),
        "inputs": [],
        "files": [],
        "timings_s": draw(st.dictionaries(st.sampled_from(["wall", "save"]), NUMBERS, max_size=2)),
        "end_reason": ending.value,
        "verdict": draw(st.one_of(st.none(), st.sampled_from(Verdict).map(lambda one: one.value))),
        "verdict_reasons": draw(st.lists(TEXTS, max_size=2)),
        "resume_reasons": draw(st.lists(TEXTS, max_size=2)),
        **{name: draw(WHOLE) for name in ("steps_start", "steps_done")},
        **{name: draw(st.one_of(st.none(), TEXTS)) for name in ("resumed_from", "resume_grade")},
        "training": draw(st.one_of(TABLES, st.fixed_dictionaries({"best_model_score": VALUES}))),
        "summary": draw(TABLES),
        "runtime": {},
        "claim": draw(st.one_of(st.none(), st.booleans())),
    }


@st.composite
def outputs(draw: st.DrawFn) -> dict[str, Any]:
    """What else a judgement rests on."""
    code = st.one_of(st.none(), st.integers(-(2**31), 2**32))
    paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
    return {
        "exit_code": draw(code),
        "reason": draw(st.one_of(st.none(), st.sampled_from(EndReason))),
        "faults": tuple(draw(st.lists(TEXTS, max_size=2))),
        "lacking": tuple(draw(st.lists(paths, max_size=2))),
        "curve": tuple(draw(st.lists(st.tuples(st.integers(0, MOST_WHOLE), st.floats(-1e300, 1e300)), max_size=2))),
    }


NOTHING: dict[str, Any] = {"exit_code": None, "reason": None, "faults": (), "lacking": (), "curve": ()}


def manifest_of(plain: Mapping[str, Any] | None) -> Manifest | None:
    """As it is read from its file; None where the reader refuses it."""
    try:
        return (
            None if plain is None else Manifest.from_json(read_json(json.dumps(plain).replace(LONG, "x" * MOST_CHARS)))
        )
    except Unreadable:
        return None


def judged(ledger: SqliteLedger, manifest: Manifest | None, beside: Mapping[str, Any], session: int) -> Judgement:
    """Record one session from its plan to its end, with the program's own functions."""
    key, ticket = session_key(RUN_ID, session, 1), {**OWN, "session": session}
    ledger.record(_plan(session, ticket=ticket))
    ledger.record(event(EventKind.SESSION_SUBMITTED, RUN_ID, key, handle="local://local/a"))
    seen = Observation(state=SessionState.ENDED, native="x", exit_code=beside["exit_code"], reason=beside["reason"])
    ledger.record(event(EventKind.SESSION_ENDED, RUN_ID, key, native="x", exit_code=seen.exit_code, reason=seen.reason))
    found = Collected(
        folder=Path("results/a"),
        observation=seen,
        retrieval=Retrieval(folder=Path("results/a")),
        manifest=manifest,
        faults=tuple(one.replace(LONG, "y" * 3 * MOST_CHARS) for one in beside["faults"]),
        lacking=tuple(MissingFile(path=path, lack=Lack.UNLISTED, reason="is not") for path in beside["lacking"]),
        open=None,
    )
    context = SimpleNamespace(
        event=event, ledger=ledger, results=SimpleNamespace(evaluations=lambda folder: beside["curve"])
    )
    handle = Handle.parse("local://local/a")
    _, judgement = retrieve_and_analyze_logs(cast(RunContext, context), Ticket.from_json(ticket), handle, seen, found)
    ledger.record(
        event(
            EventKind.SESSION_CLOSED,
            RUN_ID,
            key,
            restored=[],
            models_steps=0,
            wall_s=judgement.wall_s,
            trained_steps=judgement.trained_steps,
            end_reason=judgement.end_reason.value,
            ended_at=judgement.ended_at or WHOLE_TIME,
        )
    )
    return judgement


def event(kind: EventKind, run_id: str, key: str | None, **body: object) -> Event:
    return Event(kind=kind, at=WHOLE_TIME, run_id=run_id, session=key, body=body)


@settings(
    max_examples=int(os.environ.get("JUDGED_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
@given(plain=st.one_of(st.none(), manifests()), beside=outputs())
@example(plain=None, beside=NOTHING)
@example(plain={**PLAIN, "stamp": {**PLAIN["stamp"], "nonce": LONG}}, beside=NOTHING)
@example(plain={**PLAIN, "timings_s": {"wall": 1.7e308}}, beside=NOTHING)
@example(plain={**PLAIN, "timings_s": {"wall": -1.7e308}}, beside=NOTHING)
@example(plain={**PLAIN, "steps_start": 0, "steps_done": MOST_WHOLE}, beside=NOTHING)
@example(plain=PLAIN, beside={**NOTHING, "faults": (LONG,)})
def test_any_judged_session_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, plain: dict[str, Any] | None, beside: dict[str, Any]
) -> None:
    manifest = manifest_of(plain)
    with closing(SqliteLedger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")) as ledger:
        ledger.record(_start())
        judgements = [judged(ledger, manifest, beside, session) for session in (1, 2)]  # sums over sessions count too
        runs, sessions = fold(ledger.events())
        assert {one.key: one for one in ledger.sessions()} == sessions
        assert {one.run_id: one for one in ledger.runs()} == runs
        assert ledger.rebuild()
        for record, judgement in zip(ledger.sessions(), judgements, strict=True):
            assert (record.end_reason, record.exit_code) == (judgement.end_reason, judgement.exit_code)
            assert (record.score, record.numbers) == (judgement.score, judgement.numbers)
            assert (record.steps_start, record.steps_done) == (judgement.steps_start, judgement.steps_done)
            assert (record.problems, record.resume_reasons) == (judgement.problems, judgement.resume_reasons)
            assert record.verdict == (judgement.verdict and judgement.verdict.value)
