"""The record of a proof, and the badge that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from orchestrator.kernel.checkpoint.resume_grade import EXACT
from orchestrator.kernel.training.proof import PROOF_FORMAT, count_of_cuts, proof_digest

_CHAR_WIDTH, _PADDING = 6.6, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """A proof that code resumes exactly, under the conditions of its training.

    Attributes:
        name: Name of the script without `.py`, or of the section.
        script: Absolute path of the script; of a section, its entry point.
        files: POSIX path, relative to the script's folder or to the project -> sha256.
        cuts: Steps at which the training was cut.
        killed: Whether some or all cuts were a kill -9 instead of a clean stop.
        proved_at: ISO time, UTC.
    """

    name: str
    script: str
    files: Mapping[str, str]
    conditions: Mapping[str, Any]
    steps: int
    cuts: Sequence[int]
    killed: bool
    proved_at: str

    @property
    def digest(self) -> str:
        """Digest of code and conditions."""
        return proof_digest(self.files, self.conditions)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form, as `orchestrator.kernel.training.proof` reads it."""
        return {
            "format": PROOF_FORMAT,
            "name": self.name,
            "script": self.script,
            "grade": EXACT,
            "steps": self.steps,
            "cuts": list(self.cuts),
            "killed": self.killed,
            "proved_at": self.proved_at,
            "digest": self.digest,
            "files": dict(self.files),
            "conditions": dict(self.conditions),
        }


def iso(now: datetime) -> str:
    """Time of a proof, to the second."""
    return now.replace(microsecond=0).isoformat()


def proof_line(facts: Mapping[str, Any]) -> str:
    """What a card holds of a proof, for people."""
    code = str(facts["digest"])[:12]
    return f"proven {facts['grade']}: {count_of_cuts(facts['cuts'])} in {facts['steps']} steps, code {code}"


def badge_text(record: ProofRecord) -> str:
    """Right half of the badge."""
    return f"exact, {count_of_cuts(len(record.cuts))} in {record.steps} steps"


def badge_markdown(record: ProofRecord, path: str) -> str:
    """A line for a README.

    Args:
        record: The proof.
        path: POSIX path of the picture, relative to the README.
    """
    return f"![resume: {badge_text(record)}]({quote(path)})"


def badge_svg(record: ProofRecord) -> str:
    """A small picture: `resume` and the result. Needs no network and no font of its own."""
    left, right = "resume", badge_text(record)
    left_px, right_px = (round(len(text) * _CHAR_WIDTH) + _PADDING for text in (left, right))
    width = left_px + right_px
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{left}: {right}">'
        f"<title>{left}: {right}, code {record.digest[:12]}</title>"
        f'<rect width="{width}" height="20" rx="3" fill="#555"/>'
        f'<rect x="{left_px}" width="{right_px}" height="20" rx="3" fill="#2a7f3f"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left_px / 2}" y="14">{left}</text>'
        f'<text x="{left_px + right_px / 2}" y="14">{right}</text></g></svg>\n'
    )
