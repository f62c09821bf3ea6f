"""The words in which an autopsy names its subject, and the command that continues a training."""

from __future__ import annotations

from orchestrator.core.autopsy.subject import Candidate
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short


def again(candidate: Candidate, card: SectionCard | None, campaign: str) -> str:
    """The command that continues a training: the tick of its campaign, else its `run`; empty if the section is unknown.

    Args:
        card: Of its section, None if it cannot be read.
        campaign: What `campaign tick` is called with; empty if no campaign trains it.
    """
    run, record = candidate.run, candidate.session
    if campaign:
        return f"python -m orchestrator campaign tick {campaign}"
    if not candidate.section:
        return ""
    words = ["python -m orchestrator run", candidate.section]
    if run is not None:
        words += ["--quick"] if run.profile == "quick" else []
        words += ["--backend", run.backend] if card is None or run.backend != card.backend else []
        profile = card.profiles.get(run.profile) if card is not None else None
        if profile is not None and run.target_steps not in (None, profile.target_steps):
            words += ["--target-steps", str(run.target_steps)]
    lineage = record.ticket.get("spec", {}).get("lineage", {}) if record is not None else {}
    if card is not None and lineage and card.lineage.id != candidate.lineage_id:
        if lineage.get("algorithm") not in (None, card.algorithm):
            words += ["--algorithm", str(lineage["algorithm"])]
        if lineage.get("seed") != card.seed:
            words += ["--seed", str(lineage.get("seed"))]
    return " ".join(words)


def described(candidate: Candidate, trial: str) -> str:
    """A candidate for people.

    Args:
        trial: Label of its trial, empty without one.
    """
    label = f"trial {trial}, " if trial else ""
    run = f"run {candidate.run_id}" if candidate.run_id else f"training {short(candidate.lineage_id)}, no run yet"
    return f"{label}{run}" + (f", session {candidate.slug}" if candidate.slug else "")


def name_of(candidate: Candidate, *, whole: bool) -> str:
    """The word that names the same again, as short as possible."""
    if whole and candidate.lineage_id:
        return short(candidate.lineage_id)
    return candidate.slug or candidate.run_id
