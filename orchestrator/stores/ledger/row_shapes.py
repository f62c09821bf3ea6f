"""The shapes of the ledger's rows. A person or another program may have changed the file."""

from __future__ import annotations

from orchestrator.core.ledger.records import AskedBy, Stage
from orchestrator.core.session.backend_types import HANDLE, Carrier
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.spec import PUSHED
from orchestrator.core.timestamps import TIME
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.reading.shapes import (
    COUNT,
    FLAG,
    NUMBER,
    PATH,
    PLAIN_NAME,
    TEXT,
    TEXTS,
    fields,
    items,
    mapping,
    one_of,
    optional,
    pair,
    whole,
)

_REASON = one_of([one.value for one in EndReason])
_VERDICT = one_of([one.value for one in Verdict])
_CODE = whole(-(2**31), 2**32)

RUN = fields(
    {
        **dict.fromkeys(("run_id", "section", "lineage_id", "profile", "backend"), PLAIN_NAME),
        **dict.fromkeys(("steps_start", "steps_done"), COUNT),
        "started_at": TIME,
    },
    {
        **dict.fromkeys(("target_steps", "sessions", "trained_steps", "failed_in_row"), COUNT),
        **dict.fromkeys(("code_digest", "question", "campaign"), TEXT),
        **dict.fromkeys(("no_claim", "fresh"), FLAG),
        **dict.fromkeys(("ended_at", "failed_at"), TIME),
        "end_reason": TEXT,
        "verdict": _VERDICT,
        "wall_s": NUMBER,
        "walks": items(pair(COUNT, TEXT)),
    },
)
SESSION = fields(
    {
        **dict.fromkeys(("key", "nonce"), TEXT),
        **dict.fromkeys(("run_id", "lineage_id", "backend", "slug"), PLAIN_NAME),
        **dict.fromkeys(("session", "attempt"), COUNT),
        "stage": one_of([one.value for one in Stage]),
        "planned_at": TIME,
    },
    {
        **dict.fromkeys(("native", "resume_grade", "campaign"), TEXT),
        "carrier": one_of([one.value for one in Carrier]),
        "handle": HANDLE,
        "results_dir": PATH,
        "kernel": PLAIN_NAME,
        **dict.fromkeys(("observed_exit_code", "exit_code"), _CODE),
        **dict.fromkeys(("observed_reason", "end_reason"), _REASON),
        **dict.fromkeys(("steps_start", "steps_done", "models_steps", "lost", "session_id", "kernel_sessions"), COUNT),
        **dict.fromkeys(("resume_reasons", "problems", "restored", "lacking"), TEXTS),
        **dict.fromkeys(("missed_at", "begun_at", "started_at", "ended_at"), TIME),
        **dict.fromkeys(("no_claim", "recovered", "swept"), FLAG),
        **dict.fromkeys(("score", "wall_s"), NUMBER),
        "verdict": _VERDICT,
        "curve": items(pair(COUNT, NUMBER)),
        "numbers": mapping(NUMBER),
        "doubts": mapping(fields({"since": TIME, "waits": COUNT})),
        "machine": fields({}, dict.fromkeys(("accelerator", "docker_image", "machine_shape"), optional(TEXT))),
        "stop_asked_by": one_of([one.value for one in AskedBy]),
    },
)
PLANNED = fields({"ticket": PUSHED}, others=True)
"""The part of the event that planned a session which its row needs."""
