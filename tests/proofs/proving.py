"""Proves one algorithm in one environment by `orchestrator prove`, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("train.py")
ROOT = Path(__file__).parents[2]
_HASH_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training to prove.

    Attributes:
        steps: Target of the training.
        cuts: How often it is cut.
        kills: How many of the cuts are a kill -9.
        seed: Draws the cuts.
    """

    algorithm: str
    environment: str
    steps: int
    cuts: int
    kills: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Proven:
    """The result of one proof, as a row of the table.

    Attributes:
        found: JSON of `orchestrator prove`; empty if it did not finish.
        policies: Digests of the final policies, straight and cut, from the cards of their checkpoints.
        message: The end of its messages.
    """

    case: Case
    found: dict[str, Any]
    policies: tuple[str, ...]
    message: str
    seconds: float

    @property
    def is_exact(self) -> bool:
        """Whether every part is equal, and the two policies as well."""
        return self.found.get("grade") == "exact" and self.policies_are_equal

    @property
    def policies_are_equal(self) -> bool:
        """Whether the cut training ends with the straight one's policy."""
        return len(self.policies) == 2 and len(set(self.policies)) == 1

    def row(self) -> tuple[str, ...]:
        """Cells of the table."""
        cuts = self.found.get("cuts", [])
        equal = " = ".join(sorted({one[:_HASH_SHOWN] for one in self.policies})) if self.policies_are_equal else "no"
        return (
            self.case.algorithm,
            self.case.environment,
            str(self.found.get("steps", "-")),
            str(len(cuts) + 1) if cuts else "-",
            ", ".join(map(str, cuts)) or "-",
            str(self.found.get("kills", "-")),
            self.found.get("grade", "failed"),
            f"yes, {equal}" if self.policies_are_equal else "no",
            self.difference(),
            f"{self.seconds:.0f}",
        )

    def difference(self) -> str:
        """The first difference, or what is not kept; empty if there is none."""
        if not self.found:
            return self.message
        first, lost = self.found["first_difference"], self.found["not_kept"]
        if lost:
            return f"not kept: {lost[0]}"
        if first is None:
            return ""
        after = "" if first["resumed_at"] is None else f", after the cut at {first['resumed_at']}"
        return f"{first['part']}, " + ("at the end" if first["step"] is None else f"at step {first['step']}") + after


def prove(case: Case, folder: Path) -> Proven:
    """Run `orchestrator prove` on the script.

    Args:
        case: What to prove.
        folder: A new folder for all its files.
    """
    folder.mkdir(parents=True)
    kept = folder / "kept"
    options = ["--cuts", case.cuts, "--kills", case.kills, "--seed", case.seed, "--json", "--keep", kept]
    words = [SCRIPT, *options, "--", case.algorithm, case.environment, case.steps]
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "prove", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    answer = json.loads(lines[-1]) if lines else {}
    return Proven(
        case=case,
        found=answer if "grade" in answer else {},
        policies=tuple(_policies(kept)),
        message=" ".join(done.stderr.split())[-300:],
        seconds=time.monotonic() - started_s,
    )


def _policies(kept: Path) -> list[str]:
    """Digest of the final policy of the straight and of the cut training."""
    digests = []
    for name in ("straight", "cut"):
        cards = (kept / name / "training" / "checkpoints").glob("*_steps.json")
        newest = max(cards, key=lambda path: int(path.stem.split("_")[-2]), default=None)
        if newest is not None:
            digests.append(str(json.loads(newest.read_text(encoding="utf-8"))["identity"]["policy_digest"]))
    return digests
