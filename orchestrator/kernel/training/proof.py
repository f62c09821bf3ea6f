"""Facts of a proof of exact resume: found for the code that runs, and written into the cards of its checkpoints."""

from __future__ import annotations

import glob
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.kernel.reading.shapes import (
    ANY,
    COUNT,
    DIGEST,
    TABLE,
    TEXT,
    fields,
    items,
    mapping,
    objects_in,
    text,
    whole,
)
from orchestrator.kernel.wire import digest_of

PROOFS = "proofs"
"""Folder of the records, in `.orchestrator`."""
PROOF_FORMAT = 1
FACTS = ("grade", "cuts", "steps", "digest")
"""What a card holds of a proof."""

RECORD = fields(
    {
        "format": whole(PROOF_FORMAT, PROOF_FORMAT),
        "name": text(255),
        "script": text(32_768),
        "files": mapping(TEXT),
        "conditions": TABLE,
        "grade": TEXT,
        "cuts": items(ANY),
        "steps": COUNT,
        "digest": DIGEST,
        "proved_at": TEXT,
    },
    others=True,
)
"""Shape of a record; one of another shape or version proves nothing."""


def conditions_of(settings: Mapping[str, Any], versions: Mapping[str, str], device: str) -> dict[str, Any]:
    """Under which conditions a training runs; a proof holds for the same ones only."""
    return {
        "settings": dict(settings),
        "versions": {**versions, "orchestrator": __version__},
        "device": device,
        "arguments": sys.argv[1:],
    }


def proof_digest(files: Mapping[str, str], conditions: Mapping[str, Any]) -> str:
    """Key of a proof: the code and the conditions.

    Args:
        files: POSIX path relative to the script's folder -> sha256.
        conditions: See `conditions_of`.
    """
    return digest_of({"files": dict(files), "conditions": dict(conditions)})


def proof_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that a card holds."""
    return {
        "grade": str(record["grade"]),
        "cuts": len(record["cuts"]),
        "steps": int(record["steps"]),
        "digest": str(record["digest"]),
    }


def count_of_cuts(count: int) -> str:
    """The number of cuts in words."""
    return "1 cut" if count == 1 else f"{count} cuts"


def record_name(name: str, digest: str) -> str:
    """File name of a record."""
    return f"{name}-{digest[:12]}.json"


def proof_of_script(
    folder: Path, script: Path | None, say: Callable[[str], None], conditions: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Facts of a proof of a script as it is now, for cards; None without one.

    Args:
        folder: Folder of the records; need not exist.
        script: The script.
        say: Prints a line: what is proven, or why the newest record no longer holds.
        conditions: Of this training.
    """
    if script is None:
        return None
    void = ""
    for record in sorted(_records(folder, script), key=lambda record: str(record["proved_at"]), reverse=True):
        reason = _why_void(record, script.parent, conditions)
        if not reason:
            facts = proof_facts(record)
            say(f"[CHECKPOINT] Proven: resumes exactly ({count_of_cuts(facts['cuts'])} in {facts['steps']} steps)")
            return facts
        void = void or reason
    if void:
        say(
            f"[CHECKPOINT] The proof of exact resume no longer holds: {void}. "
            f"Prove it again: orchestrator prove {script.name}"
        )
    return None


def proof_of_section(proven: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Facts for the cards of a session, None without a proof for this machine.

    Args:
        proven: Of the session's ticket: facts, and the `versions` and the `device` of the proof.
        identity: Identity that the session writes into its cards.
    """
    if proven is None or proven["device"] != identity["device_class"]:
        return None
    now = identity["versions"]
    if any(now.get(name) != version for name, version in proven["versions"].items()):
        return None
    return {name: proven[name] for name in FACTS}


def _records(folder: Path, script: Path) -> Iterator[dict[str, Any]]:
    """The readable records of this script; another script may have the same name in another folder."""
    for record in objects_in(folder, f"{glob.escape(script.stem)}-*.json", RECORD):
        if _is_of(record, script) and record["digest"] == _digest(record):
            yield record


def _is_of(record: Mapping[str, Any], script: Path) -> bool:
    try:
        return Path(record["script"]).resolve() == script.resolve()
    except (OSError, ValueError, RuntimeError):  # not a path on this computer
        return False


def _digest(record: Mapping[str, Any]) -> str:
    return proof_digest(record["files"], record["conditions"])


def _why_void(record: Mapping[str, Any], root: Path, conditions: Mapping[str, Any]) -> str:
    for name, sha256 in record["files"].items():
        try:
            same = hashlib.sha256((root / name).read_bytes()).hexdigest() == sha256
        except (OSError, ValueError):
            return f"{name} cannot be read"
        if not same:
            return f"{name} has changed"
    before = record["conditions"]
    changed = [key for key in conditions if before.get(key) != conditions[key]]
    return f"other {', '.join(changed)}" if changed else ""
