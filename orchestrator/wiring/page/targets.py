"""What the argument of `report` and `serve` names: a section, a campaign, a training, or the whole project."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.autopsy.subject import find_subject, recorded
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.page.page import Subject
from orchestrator.stores.campaign.campaign_yaml import campaign_path
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import card_names
from orchestrator.wiring.trial_evidence import known_trials

_SUFFIXES = (".yaml", ".yml")
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a page is about.

    Attributes:
        name: The section, the campaign's file, or the id of the run; empty for the project.
        lineage_id: Of a training; empty for the others.
    """

    subject: Subject
    name: str = ""
    lineage_id: str = ""


def target_of(
    project: Project, word: str | None, runs: Sequence[RunRecord], sessions: Sequence[SessionRecord]
) -> Target:
    """What a word names; the project without a word.

    Args:
        runs: All runs of the ledger.
        sessions: All sessions of the ledger.

    Raises:
        BadInput: It names nothing, or several trainings; the nearest names are given.
    """
    if word is None:
        return Target(subject=Subject.PROJECT)
    if word in card_names(project.cards) or any(run.section == word for run in runs):
        return Target(subject=Subject.SECTION, name=word)
    if word.endswith(_SUFFIXES) or (_is_name(word) and (project.campaigns / f"{word}.yaml").is_file()):
        return Target(subject=Subject.CAMPAIGN, name=str(campaign_path(project.campaigns, word)))
    try:
        candidate = find_subject(word, list(recorded(runs, sessions)), lambda: list(known_trials(project))).candidate
    except BadInput as fault:
        near = difflib.get_close_matches(_spelled_out(word), list(_names(project, runs, sessions)), n=_SHOWN)
        if not near or "several" in str(fault):
            raise
        raise BadInput(f"nothing here is named {word!r}", remedy=f"Did you mean {' or '.join(near)}?") from fault
    return Target(subject=Subject.RUN, name=candidate.run_id, lineage_id=candidate.lineage_id)


def _is_name(word: str) -> bool:
    return word not in ("", ".", "..") and "/" not in word and "\\" not in word


def _spelled_out(word: str) -> str:
    return f"section_{word.replace('.', '_')}" if word[:1].isdigit() and "." in word else word  # users write 7.6


def _names(project: Project, runs: Sequence[RunRecord], sessions: Sequence[SessionRecord]) -> Iterator[str]:
    yield from card_names(project.cards)
    yield from (path.stem for path in sorted(project.campaigns.glob("*.yaml")))
    yield from (run.run_id for run in runs)
    yield from (one.slug for one in sessions)
