"""The end of `prove`: the result on the screen, the record of an exact proof, the badge, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.output.console import Console
from orchestrator.cli.proof.proof_run import ProofResult
from orchestrator.core.errors import EXIT_DONE, EXIT_RUN_FAILED
from orchestrator.core.proof.causes import causes
from orchestrator.core.proof.comparison import Finding
from orchestrator.core.proof.hints import Hint
from orchestrator.core.proof.presentation import lines_of
from orchestrator.core.proof.record import ProofRecord, badge_markdown, badge_svg
from orchestrator.stores.proof.records import void_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOutcome:
    """A finished proof, not yet shown.

    Attributes:
        result: What was found.
        record: What is recorded if it is exact.
        own: Folder `.orchestrator` for the record.
        hints: Suspicious places in the code.
    """

    result: ProofResult
    record: ProofRecord
    own: Path
    hints: tuple[Hint, ...]

    def conclude(self, badge: Path | None, console: Console, *, as_json: bool) -> int:
        """Show the result, and write or void the record.

        Args:
            badge: File for the badge, None for one beside the record.
            console: For the result.
            as_json: Also print one JSON object.

        Returns:
            Exit code.
        """
        result, exact = self.result, self.result.comparison.finding is Finding.EXACT
        found = causes(result.comparison, self.hints)
        console.say(*lines_of(result.comparison, found, steps=result.straight.steps, cuts=result.cuts))
        kept = keep_record(self.own, self.record, badge, console) if exact else void(self.own, self.record, console)
        code = EXIT_DONE if exact else EXIT_RUN_FAILED
        if as_json:
            print_json(
                {
                    "target": self.record.name,
                    **result.comparison.to_json(),
                    "causes": list(found),
                    "steps": result.straight.steps,
                    "cuts": list(result.cuts),
                    "killed": self.record.killed,
                    "kills": result.kills,
                    "digest": self.record.digest,
                    **kept,
                    "exit_code": code,
                }
            )
        return code


def keep_record(own: Path, record: ProofRecord, badge: Path | None, console: Console) -> Mapping[str, Any]:
    """Write the record and the badge; returns both for the JSON form."""
    path, picture = write_record(own, record)
    if badge is not None:
        badge.parent.mkdir(parents=True, exist_ok=True)
        badge.write_text(badge_svg(record), encoding="utf-8")
        picture = badge
    top = Path.cwd()
    shown = picture.relative_to(top) if picture.is_relative_to(top) else picture
    line = badge_markdown(record, shown.as_posix())
    console.say(f"Recorded in {path.as_posix()}; checkpoints of this code now name the proof.", f"Badge: {line}")
    return {"record": path.as_posix(), "badge": line}


def void(own: Path, record: ProofRecord, console: Console) -> Mapping[str, Any]:
    """Delete the record of an earlier exact proof of the same code."""
    if void_record(own, record.name, record.digest):
        console.say("The earlier proof of this code is void; its record is deleted.")
    return {"record": None, "badge": None}
