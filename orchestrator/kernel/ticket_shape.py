"""The shape of a ticket and of its spec."""

from __future__ import annotations

from orchestrator.kernel.reading.shapes import (
    COUNT,
    FILE_ENTRY,
    NUMBER,
    PLAIN_NAME,
    TABLE,
    TEXT,
    fields,
    items,
    mapping,
    optional,
    text,
)

_WORD = text(4096)
_SPEC = fields(
    {"scenario": _WORD, "target_steps": optional(COUNT)},
    {
        **dict.fromkeys(("section", "profile", "backend", "entry_point", "script", "resume_floor", "device"), _WORD),
        "section_dir": PLAIN_NAME,
        "lineage": TABLE,
        "settings": TABLE,
        "criteria": optional(TABLE),
        "proof": TABLE,
        "deadline_s": optional(NUMBER),
        **dict.fromkeys(("checkpoint_every_steps", "evaluate_every_steps", "evaluation_scenarios"), optional(COUNT)),
    },
    others=True,
)
TICKET = fields(
    {
        "wire_version": COUNT,
        **dict.fromkeys(("run_id", "nonce", "section", "lineage_id", "spec_digest", "bundle_digest"), _WORD),
        **dict.fromkeys(("session", "attempt"), COUNT),
        "section_dir": PLAIN_NAME,
        "spec": _SPEC,
        "inputs": items(FILE_ENTRY),
    },
    {
        "proven": optional(
            fields(
                {
                    "versions": mapping(TEXT),
                    "device": TEXT,
                    "grade": TEXT,
                    "cuts": COUNT,
                    "steps": COUNT,
                    "digest": TEXT,
                }
            )
        )
    },
)
