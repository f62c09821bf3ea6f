"""The shape of a ticket and of its spec."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from orchestrator.kernel.reading.shapes import (
    COUNT,
    FILE_ENTRY,
    NUMBER,
    PLAIN_NAME,
    TABLE,
    TEXT,
    both,
    fields,
    items,
    leaf,
    mapping,
    optional,
    text,
)

_WORD = text(4096)
_INPUT = both(
    FILE_ENTRY,
    fields({"path": leaf("a path below the models directory", lambda one: _is_inside(one))}, others=True),
)
_SPEC = fields(
    {"scenario": PLAIN_NAME, "target_steps": optional(COUNT)},
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
        **dict.fromkeys(("run_id", "nonce", "lineage_id", "spec_digest", "bundle_digest"), _WORD),
        **dict.fromkeys(("session", "attempt"), COUNT),
        **dict.fromkeys(("section", "section_dir"), PLAIN_NAME),
        "spec": _SPEC,
        "inputs": items(_INPUT),
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


def _is_inside(path: Any) -> bool:
    if not isinstance(path, str) or any(sign in path for sign in "\\:\0"):
        return False
    inside = PurePosixPath(path)
    return bool(inside.parts) and ".." not in inside.parts and not inside.is_absolute()
