"""Writes and voids the records of proofs, and their badges."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

from orchestrator.core.proof.record import ProofRecord, badge_svg
from orchestrator.core.section.card import SectionCard
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.training.proof import PROOFS, proof_facts, record_name

_CODE = "code"


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


def proof_of_code(own: Path, card: SectionCard, code_digest: str) -> dict[str, Any] | None:
    """Facts of a proof of a section's code, with the versions and the device for which they hold; None without one.

    Args:
        own: Folder `.orchestrator`.
        card: The section; another seed is the same code, other settings are not.
        code_digest: Digest of its code.
    """
    for record in records_of(own, card.section):
        try:
            key = record["script"], record["files"], record["conditions"]["lineage"]
            if key == ("", {_CODE: code_digest}, plain_lineage(card)):
                conditions = record["conditions"]
                return {**proof_facts(record), "versions": conditions["versions"], "device": conditions["device"]}
        except (KeyError, TypeError, ValueError):
            continue  # damaged: it proves nothing
    return None


def section_records(own: Path, section: str) -> list[dict[str, Any]]:
    """All records of a section, whatever its code was."""
    return [record for record in records_of(own, section) if record.get("script") == ""]


def section_files(code_digest: str) -> dict[str, str]:
    """What the record of a section lists as its files."""
    return {_CODE: code_digest}


def plain_lineage(card: SectionCard) -> dict[str, Any]:
    """What makes the training of a section another one, apart from its seed; plain JSON."""
    lineage = {name: value for name, value in card.lineage.to_json().items() if name != "seed"}
    plain: dict[str, Any] = json.loads(json.dumps(lineage))
    return plain


def records_of(own: Path, name: str) -> list[dict[str, Any]]:
    """All readable records of a name, newest first."""
    records = []
    for path in sorted((own / PROOFS).glob(f"{glob.escape(name)}-*.json")):
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(plain, dict) and plain.get("name") == name:
            records.append(plain)
    return sorted(records, key=lambda record: str(record.get("proved_at")), reverse=True)
