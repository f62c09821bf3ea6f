"""Trainings that a campaign's file no longer names, rebuilt from their tickets and runs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.core.campaign.expansion import CardOf, Trial, Variant, seeded, variant_of
from orchestrator.core.campaign.group import Group
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.overrides import Setting, Settings
from orchestrator.kernel.checkpoint.resume_grade import flat

GROUP = "(removed)"
"""Group name in the label of such a trial."""


def trial_from_ticket(lineage: Mapping[str, Any], run: RunRecord, card_of: CardOf) -> Trial | None:
    """The trial of a lineage that a line of the campaign once named.

    Args:
        lineage: Plain form of the lineage, as in its tickets.
        run: Its latest run, which has profile and target.

    Returns:
        None if no settings of the section's current card give this lineage.
    """
    try:
        algorithm: Settings = {"algorithm": lineage["algorithm"]} if lineage["algorithm"] is not None else {}
        varied = _varied(card_of(run.section, algorithm), lineage)
        if varied is None:
            return None
        target = run.target_steps
        sizes = {} if target is None else {f"profiles.{run.profile}.target_steps": target}
        settings: Settings = {**algorithm, **varied, **sizes}
        card = card_of(run.section, settings)
    except BadInput:
        return None
    seed = int(lineage["seed"])
    if seeded(card, seed).lineage.id != run.lineage_id:
        return None
    variant = Variant(
        index=-1,
        group=GROUP,
        priority=0,
        profile=run.profile,
        card=card,
        varied={**algorithm, **varied},
        settings=settings,
        completed=1,
        after=(),
    )
    return Trial(index=-1, variant=variant, seed=seed, rank=0, lineage_id=run.lineage_id)


def _varied(card: SectionCard, lineage: Mapping[str, Any]) -> dict[str, Setting] | None:
    """The settings in which a lineage differs from a card, without the seed; None if no key can hold one."""
    own, other = flat(card.lineage.to_json()), flat(lineage)
    if not own.keys() <= other.keys():
        return None
    varied: dict[str, Setting] = {}
    for key, value in other.items():
        if key == "seed" or (key in own and own[key] == value):
            continue
        if not isinstance(value, bool | int | float | str | list):
            return None
        block, _, rest = key.partition(".")
        varied[f"algorithms.{lineage['algorithm']}.{rest}" if block == "hyper_parameters" else key] = value
    return varied


def pushed_by(session: SessionRecord, run: RunRecord | None, campaign: str) -> bool:
    """Whether a campaign pushed a session. Another campaign, or a `run` by hand, may train the same lineage.

    Args:
        run: Run of the session; its campaign counts if the session does not name one.
    """
    pusher = session.campaign if session.campaign is not None else run.campaign if run else None
    return pusher == campaign


def sessions_of_campaign(
    sessions: Iterable[SessionRecord], runs: Sequence[RunRecord], campaign: str, named: Container[str]
) -> list[SessionRecord]:
    """Sessions whose hours count for a campaign: all of its trials, and those that it pushed and names no longer.

    Args:
        named: Lineage ids of its trials.
    """
    known = {run.run_id: run for run in runs}
    return [one for one in sessions if one.lineage_id in named or pushed_by(one, known.get(one.run_id), campaign)]


def trial_of_search(
    name: str, group: Group, lineage_id: str, lineage: Mapping[str, Any], card_of: CardOf
) -> Trial | None:
    """The trial of a lineage in a group that searches; None if it differs in more than the keys of the search.

    Args:
        lineage: Plain form of the lineage, as in its tickets.
    """
    if group.search is None or lineage["section"] != group.section:
        return None
    cell: dict[str, Setting] = {}
    for key in group.search.space:
        value = _value(key, lineage)
        if value is None:
            return None
        cell[key] = value
    try:
        variant = variant_of(name, group, cell, card_of, index=-1)
    except BadInput:
        return None
    seed = int(lineage["seed"])
    if next(variant.card.lineage.ids_of((seed,))) != lineage_id:
        return None
    return Trial(index=-1, variant=variant, seed=seed, rank=0, lineage_id=lineage_id)


def _value(key: str, lineage: Mapping[str, Any]) -> Setting | None:
    """The value of a lineage for a key of the card; None for a key that is not part of the lineage."""
    parts = key.split(".")
    if parts[0] == "algorithms":
        if parts[1:2] != [lineage["algorithm"]]:
            return None
        parts = ["hyper_parameters", *parts[2:]]
    found: Any = lineage
    for part in parts:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, bool | int | float | str | list) else None
