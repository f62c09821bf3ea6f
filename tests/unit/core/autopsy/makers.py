"""Evidence as the local backend, as Kaggle, and as damaged files leave it."""

from __future__ import annotations

from typing import Any

from orchestrator.core.autopsy.evidence import Evidence, Line, Outputs
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import report_line

NONCE = "n" * 32
RUN_ID = "toy-0123abcd-20261101T120000-beef"


def record(backend: str = "local", **fields: Any) -> SessionRecord:
    """A closed session of the ledger."""
    whole: dict[str, Any] = {
        "key": f"{RUN_ID}/s01a1",
        "run_id": RUN_ID,
        "lineage_id": "0123abcd" + "0" * 56,
        "session": 1,
        "attempt": 1,
        "slug": "arz-validation-toy-0123abcd-s01",
        "backend": backend,
        "nonce": NONCE,
        "carrier": "none",
        "planned_at": "2026-11-01T12:00:00+00:00",
        "ticket": {"spec": {"deadline_s": 3600.0, "target_steps": 40}},
        "handle": f"{backend}://me/arz-validation-toy-0123abcd-s01",
        "stage": Stage.CLOSED,
    }
    return SessionRecord(**(whole | fields))


def kaggle(**fields: Any) -> SessionRecord:
    """A closed session on Kaggle."""
    return record("kaggle", **fields)


def run(**fields: Any) -> RunRecord:
    """An ended run."""
    whole: dict[str, Any] = {
        "run_id": RUN_ID,
        "section": "toy",
        "lineage_id": "0123abcd" + "0" * 56,
        "profile": "quick",
        "backend": "local",
        "steps_start": 0,
        "steps_done": 10,
        "started_at": "2026-11-01T12:00:00+00:00",
        "target_steps": 40,
        "sessions": 3,
        "ended_at": "2026-11-01T13:00:00+00:00",
    }
    return RunRecord(**(whole | fields))


def manifest(
    ending: str, error: str | None = None, *, nonce: str = NONCE, verdict: str | None = None, **fields: Any
) -> Manifest:
    """A session's own manifest."""
    kind = KernelEnding(ending)
    outcome = SectionOutcome(ending=kind, verdict=None if verdict is None else Verdict(verdict), **fields)
    return Manifest(
        stamp={"nonce": nonce},
        spec={},
        started_at="2026-11-01T12:00:00+00:00",
        ended_at="2026-11-01T12:10:00+00:00",
        exit_code=EXIT_CODES[kind],
        error=error,
        outcome=outcome,
        inputs=(),
        files=(),
        timings_s={},
    )


def log(*lines: str) -> tuple[Line, ...]:
    """A whole log."""
    return tuple(Line(number=number, text=text) for number, text in enumerate(lines, 1))


def events(*plain: dict[str, Any]) -> tuple[tuple[int, dict[str, Any]], ...]:
    """A whole event file."""
    return tuple(enumerate(plain, 1))


def progress(steps: int) -> str:
    """A progress line of a log."""
    return report_line("progress", steps=steps)


def failed(message: str, *causes: str) -> str:
    """The text of a traceback, with the exceptions that directly caused the last one."""
    blocks = [
        f'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    train()\n    ~~~~~^^\n{one}\n'
        for one in (*causes, message)
    ]
    return "\nThe above exception was the direct cause of the following exception:\n\n".join(blocks)


def seen(native: str, state: SessionState = SessionState.ENDED, **fields: Any) -> Observation:
    """The backend's state now."""
    return Observation(state=state, native=native, **fields)


def found(**fields: Any) -> Evidence:
    """Evidence; the outputs are given by their parts."""
    parts = {name: fields.pop(name) for name in list(fields) if name in Outputs.__slots__}
    whole: dict[str, Any] = {
        "subject": "run",
        "name": "0123abcd",
        "section": "toy",
        "again": "python -m orchestrator run toy --quick",
    }
    return Evidence(**(whole | fields), outputs=Outputs(**parts))
