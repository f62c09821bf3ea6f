"""The verdicts of an autopsy: what each means, and what the user does next. A test checks that the tables are complete.

The words follow those of other schedulers where they exist: Slurm's OUT_OF_MEMORY, TIMEOUT and CANCELLED in `sacct`,
the reasons of a terminated container in `kubectl describe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class AutopsyVerdict(StrEnum):
    """Every verdict. It is about the end of a training, not about its science."""

    TARGET_REACHED = "target_reached"
    PAUSED = "paused"
    WALL = "wall"
    QUOTA = "quota"
    CAP = "cap"
    REFUSED = "refused"
    GPU_UNUSABLE = "gpu_unusable"
    DEPENDENCY_MISSING = "dependency_missing"
    CHECKPOINT_MISSING = "checkpoint_missing"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    NAN = "nan"
    SECTION_ERROR = "section_error"
    STALE_CODE = "stale_code"
    LOST = "lost"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """The verdict for people."""
        return _WORDS.get(self, self.value.replace("_", " "))


_WORDS: Mapping[AutopsyVerdict, str] = {
    AutopsyVerdict.CAP: "cap (no slot)",
    AutopsyVerdict.GPU_UNUSABLE: "GPU unusable",
    AutopsyVerdict.NAN: "NaN",
}

MEANINGS: Mapping[AutopsyVerdict, str] = {
    AutopsyVerdict.TARGET_REACHED: "the training reached its target",
    AutopsyVerdict.PAUSED: "the session saved at its deadline and left",
    AutopsyVerdict.WALL: "the backend stopped the session at its time limit",
    AutopsyVerdict.QUOTA: "the weekly quota is used up",
    AutopsyVerdict.CAP: "all session slots are in use",
    AutopsyVerdict.REFUSED: "it was refused before it trained",
    AutopsyVerdict.GPU_UNUSABLE: "the GPU of the session is missing or cannot compute",
    AutopsyVerdict.DEPENDENCY_MISSING: "a library that the code needs is not there",
    AutopsyVerdict.CHECKPOINT_MISSING: "the checkpoint to continue from is missing or cannot be used",
    AutopsyVerdict.OUT_OF_MEMORY: "the memory was used up",
    AutopsyVerdict.DISK_FULL: "the disk was full",
    AutopsyVerdict.NAN: "a number of the training became NaN or infinite",
    AutopsyVerdict.SECTION_ERROR: "the section's own code failed",
    AutopsyVerdict.STALE_CODE: "it ran with other code than the present one",
    AutopsyVerdict.LOST: "the session or its outputs are gone",
    AutopsyVerdict.CANCELLED: "it was asked to stop",
    AutopsyVerdict.UNKNOWN: "nothing at hand shows why it ended",
}
"""Verdict -> what it means; a rule may know more."""

RETRIED_BY_TICK = frozenset(
    {
        *(AutopsyVerdict.SECTION_ERROR, AutopsyVerdict.NAN, AutopsyVerdict.STALE_CODE),
        *(AutopsyVerdict.REFUSED, AutopsyVerdict.QUOTA, AutopsyVerdict.CAP),
    }
)
"""The tick of a campaign starts these again by itself: with the corrected code, or once the reason is gone."""

ADVICE: Mapping[AutopsyVerdict, tuple[str, str]] = {
    AutopsyVerdict.TARGET_REACHED: ("Nothing is left to train.", "python -m orchestrator report {section}"),
    AutopsyVerdict.PAUSED: ("The next session continues from the saved checkpoint.", "{again}"),
    AutopsyVerdict.WALL: ("Lower deadline_s of the profile, so that the session saves before the limit.", "{again}"),
    AutopsyVerdict.QUOTA: (
        "Continue after the quota is refreshed; this command shows when.",
        "python -m orchestrator quota",
    ),
    AutopsyVerdict.CAP: ("A slot becomes free when a session ends; then the same command starts it.", "{again}"),
    AutopsyVerdict.REFUSED: ("Correct what the reason names.", "{again}"),
    AutopsyVerdict.GPU_UNUSABLE: (
        "Ask for another accelerator in the card (kaggle.accelerator), or set its device to cpu.",
        "{again}",
    ),
    AutopsyVerdict.DEPENDENCY_MISSING: (
        "Write the library as name==version into requirements.txt beside the section's code, or add your own file to "
        "`include` in the card.",
        "{again}",
    ),
    AutopsyVerdict.CHECKPOINT_MISSING: (
        "This command shows which checkpoints there are.",
        "python -m orchestrator checkpoints list {section}",
    ),
    AutopsyVerdict.OUT_OF_MEMORY: (
        "Use less memory (buffer_size, batch_size, n_envs), or a machine with more.",
        "{again}",
    ),
    AutopsyVerdict.DISK_FULL: ("Free disk space where the session ran; nothing that was saved is lost.", "{again}"),
    AutopsyVerdict.NAN: (
        "Find the cause (an observation, a reward, a learning rate that is too high) and correct it; it continues from "
        "the last good checkpoint.",
        "{again}",
    ),
    AutopsyVerdict.SECTION_ERROR: (
        "Correct the section's code or settings; it continues from the last good checkpoint.",
        "{again}",
    ),
    AutopsyVerdict.STALE_CODE: ("The next session is sent with the present code.", "{again}"),
    AutopsyVerdict.LOST: (
        "The same command looks for it again, and continues from the last checkpoint.",
        "{again}",
    ),
    AutopsyVerdict.CANCELLED: ("The same command continues from the saved checkpoint.", "{again}"),
    AutopsyVerdict.UNKNOWN: ("This command asks the backend as well.", "python -m orchestrator why {name} --ask"),
}
"""Verdict -> what the user does, and the next command; the placeholders are filled from the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A piece of evidence.

    Attributes:
        source: File and line, event or field that says it.
        text: What it says: one short line without secrets and control characters.
    """

    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autopsy:
    """The result of an autopsy.

    Attributes:
        subject: What was examined, for people.
        rule: Name of the rule that decided.
        detail: What is known beyond the verdict's meaning; empty for nothing.
        evidence: What the verdict rests on, the strongest first.
        advice: What the user does next, a sentence or two.
        command: The next command.
        why: The command that shows this autopsy again.
        unread: What could not be read, a sentence each.
        words: The verdict for people, where its own words do not fit; else empty.
    """

    subject: str
    verdict: AutopsyVerdict
    rule: str
    detail: str = ""
    evidence: tuple[Quote, ...] = ()
    advice: str = ""
    command: str = ""
    why: str = ""
    unread: tuple[str, ...] = ()
    words: str = ""

    @property
    def sentence(self) -> str:
        """The verdict and what it means, on one line."""
        return f"{self.words or self.verdict.words}: {self.detail or MEANINGS[self.verdict]}"

    @property
    def line(self) -> str:
        """One line for a list: the sentence, and the command that shows the evidence."""
        return f"{self.sentence} (`{self.why}`)"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "subject": self.subject,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "rule": self.rule,
            "evidence": [{"source": one.source, "text": one.text} for one in self.evidence],
            "advice": self.advice,
            "command": self.command,
            "why": self.why,
            "unread": list(self.unread),
        }
