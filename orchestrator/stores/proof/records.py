"""Writes and voids the records of proofs, and their badges."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

from orchestrator.core.proof.record import ProofRecord, badge_svg
from orchestrator.core.section.card import SectionCard
from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.reading.shapes import TEXT, fields, fits, mapping, objects_in
from orchestrator.kernel.training.proof import PROOFS, RECORD, proof_facts, record_name

_CODE = "code"
_CONDITIONS = fields({"versions": mapping(TEXT), "device": TEXT}, others=True)


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
        conditions = record["conditions"]
        key = record["script"], record["files"], conditions.get("lineage")
        if key == ("", {_CODE: code_digest}, plain_lineage(card)) and fits(_CONDITIONS, conditions):
            return {**proof_facts(record), "versions": conditions["versions"], "device": conditions["device"]}
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
    found = objects_in(own / PROOFS, f"{glob.escape(name)}-*.json", RECORD)
    records = [record for record in found if record["name"] == name]
    return sorted(records, key=lambda record: str(record["proved_at"]), reverse=True)
