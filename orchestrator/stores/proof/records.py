"""Writes and voids the records of proofs, and their badges."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.core.proof.record import ProofRecord, badge_svg
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.training.proof import PROOFS, record_name


def write_record(own: Path, record: ProofRecord) -> tuple[Path, Path]:
    """Write a record and its badge.

    Args:
        own: Folder `.orchestrator`.
        record: The proof.

    Returns:
        Paths of the record and of the badge.

    Raises:
        OSError: A file cannot be written.
    """
    folder = own / PROOFS
    folder.mkdir(parents=True, exist_ok=True)
    if not (own / ".gitignore").exists():
        write_text(own / ".gitignore", "*\n")
    path = folder / record_name(record.name, record.digest)
    badge = path.with_suffix(".svg")
    write_text(badge, badge_svg(record))
    write_json(path, record.to_json())
    return path, badge


def void_record(own: Path, name: str, digest: str) -> bool:
    """Delete the record of a proof that failed when it was repeated.

    Returns:
        Whether there was one.
    """
    path = own / PROOFS / record_name(name, digest)
    found = path.exists()
    path.unlink(missing_ok=True)
    path.with_suffix(".svg").unlink(missing_ok=True)
    return found


def records_of(own: Path, name: str) -> list[dict[str, object]]:
    """All readable records of a name, newest first."""
    records = []
    for path in sorted((own / PROOFS).glob(f"{name}-*.json")):
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(plain, dict) and plain.get("name") == name:
            records.append(plain)
    return sorted(records, key=lambda record: str(record.get("proved_at")), reverse=True)
