"""From a campaign to its trials: the same file and cards give the same trials, in the same order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.group import Group, ListedSeeds, Seeds
from orchestrator.core.campaign.pinned_kind import pinned_kind_of, require_session
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.section.overrides import Setting, Settings
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE
from orchestrator.core.session.spec import question_of

CardOf = Callable[[str, Settings], SectionCard]
"""Section, settings -> the card with these settings; raises `BadInput` for an unknown key or a bad value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalInfo:
    """One proposal of a search.

    Attributes:
        number: Place among all proposals of the search, refused and repeated ones included.
        batch: Number of its batch; the proposals of one batch are made together.
        to_come: Number of proposals of the whole search that are not made yet.
        refused: Of the whole search, proposals that the card does not accept, a sentence each; they count as failed.
        faults: Of the whole search, objectives that cannot be read, a sentence each; the search waits.
        orphans: Lineage ids of trainings that the search started and no longer proposes.
        value: The objective, mean over the seeds; None until they are complete.
        failed: Lineage id of each training that failed for good -> word for the failure.
        pruned_at_steps: The rung at which it was pruned, None if it was not.
    """

    number: int
    batch: int
    to_come: int = 0
    refused: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    value: float | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    pruned_at_steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row of the results table: trials that differ in the seed only.

    Attributes:
        index: Place in the campaign.
        varied: The settings by which it differs from the others of its group.
        settings: All settings, those of the group included.
        completed: Number of seeds that must complete.
        searched: Its proposal, None if the file names the variant.
    """

    index: int
    group: str
    priority: int
    profile: str
    card: SectionCard
    varied: Settings
    settings: Settings
    completed: int
    after: tuple[str, ...]
    searched: ProposalInfo | None = None

    @property
    def label(self) -> str:
        """For the user, e.g. `main DQN gamma=0.98`."""
        words = [self.group]
        for key, value in self.varied.items():
            words.append(str(value) if key == "algorithm" else f"{_in_short(key)}={value}")
        return " ".join(words)

    @property
    def sizes(self) -> Profile:
        """Target, cadence and deadline."""
        return self.card.profiles[self.profile]

    @property
    def pinned_kind(self) -> SessionKind | None:
        """The kind of Kaggle session that the user chose, None if the planner may choose."""
        return pinned_kind_of(self.card, self.settings)


def _in_short(key: str) -> str:
    """The distinctive part of a key: `learning_rate.start` of `algorithms.PPO.learning_rate.start`."""
    parts = key.split(".")
    return ".".join(parts[2:]) if parts[0] == "algorithms" else parts[-1]


@dataclass(frozen=True, kw_only=True)  # without slots: cached properties need a dictionary
class Trial:
    """One training: a variant with a seed. Its identity is the lineage id.

    Attributes:
        index: Place in the campaign.
        rank: Place among the variant's seeds, 0 first. Lower ranks start first, over all variants.
        spare: Whether it only runs in place of a seed that failed for good.
    """

    index: int
    variant: Variant
    seed: int
    rank: int
    lineage_id: str
    spare: bool = False

    @property
    def label(self) -> str:
        """For the user, e.g. `main DQN seed 3`."""
        return f"{self.variant.label} seed {self.seed}"

    @property
    def name8(self) -> str:
        """The eight characters of the lineage id that its slugs and folders contain."""
        return short(self.lineage_id)

    @property
    def target_steps(self) -> int | None:
        """Total steps to reach."""
        return self.variant.sizes.target_steps

    @cached_property
    def question(self) -> str:
        """Digest of the question that its evaluation answers: criteria and scenarios."""
        return question_of(self.variant.card.criteria_values, self.variant.sizes.evaluation_scenarios)

    @cached_property
    def card(self) -> SectionCard:
        """The section's card with the settings and the seed of this trial."""
        return seeded(self.variant.card, self.seed)


def seeded(card: SectionCard, seed: int) -> SectionCard:
    """A variant's card with a seed."""
    return card.chosen(seed=seed)


def expand(
    campaign: Campaign, card_of: CardOf, proposed: Mapping[str, Sequence[tuple[Settings, ProposalInfo]]] | None = None
) -> tuple[Trial, ...]:
    """All trials: by group in file order, then by variant, then by seed; the spares of a variant after its seeds.

    Args:
        proposed: Group that searches -> its proposals so far.

    Raises:
        BadInput: A key or value is wrong, an exclude matches nothing, or two lines are the same training.
    """
    trials: list[Trial] = []
    seen: dict[str, Trial] = {}
    for variant in _variants(campaign, card_of, proposed or {}):
        for trial in trials_of(variant, campaign.trials[variant.group].seed_rule, first_index=len(trials)):
            other = seen.setdefault(trial.lineage_id, trial)
            if other is not trial:
                raise BadInput(
                    f"{campaign.campaign}: {_place(trial)} is the same training as {_place(other)}",
                    remedy="Remove one of the two: a training is run once.",
                )
            trials.append(trial)
    return tuple(trials)


def trials_of(variant: Variant, seeds: Seeds | ListedSeeds, *, first_index: int) -> Iterator[Trial]:
    """The trials of a variant, spares last."""
    every = seeds.all
    for rank, lineage_id in enumerate(variant.card.lineage.ids_of(every)):
        yield Trial(
            index=first_index + rank,
            variant=variant,
            seed=every[rank],
            rank=rank,
            lineage_id=lineage_id,
            spare=rank >= seeds.completed,
        )


def _place(trial: Trial) -> str:
    """The place of a trial in the file, because two equal lines have the same label."""
    return f"{trial.label} (trials.{trial.variant.group}, variant {trial.variant.index + 1} of the campaign)"


def _variants(
    campaign: Campaign, card_of: CardOf, proposed: Mapping[str, Sequence[tuple[Settings, ProposalInfo]]]
) -> Iterator[Variant]:
    index = itertools.count()
    for name, group in campaign.trials.items():
        cells: Iterable[tuple[Settings, ProposalInfo | None]] = (
            proposed.get(name, ())
            if group.search is not None
            else ((varied, None) for varied in _combinations(campaign.campaign, name, group))
        )
        for varied, searched in cells:
            variant = variant_of(name, group, varied, card_of, index=next(index), searched=searched)
            if campaign.backend == KAGGLE:  # with several backends, the trial runs on another one
                require_session(campaign, name, variant.card, variant.settings)
            yield variant


def variant_of(
    name: str, group: Group, varied: Settings, card_of: CardOf, *, index: int, searched: ProposalInfo | None = None
) -> Variant:
    """One variant of a group.

    Raises:
        BadInput: The card does not accept its settings.
    """
    settings = {**group.settings, **varied}
    try:
        card = card_of(group.section, settings)
    except BadInput as fault:
        raise BadInput(f"trials.{name}: {fault}", remedy=fault.remedy) from fault
    return Variant(
        index=index,
        group=name,
        priority=group.priority,
        profile=group.profile,
        card=card,
        varied=varied,
        settings=settings,
        completed=group.seed_rule.completed,
        after=group.after,
        searched=searched,
    )


def _combinations(campaign: str, name: str, group: Group) -> Iterator[dict[str, Setting]]:
    if group.cells:
        yield from (dict(cell) for cell in group.cells)
        return
    unused = list(group.exclude)
    for values in itertools.product(*group.matrix.values()):
        varied = dict(zip(group.matrix, values, strict=True))
        hits = [rule for rule in group.exclude if _matches(rule, varied)]
        unused = [rule for rule in unused if rule not in hits]
        # Without a matrix the product has one empty combination: the card as it is, unless include says more.
        if not hits and (varied or not group.include):
            yield varied
    for rule in unused:
        raise BadInput(
            f"{campaign}: trials.{name}.exclude matches nothing: {dict(rule)}",
            remedy="Give keys and values of the matrix.",
        )
    yield from (dict(extra) for extra in group.include)


def _matches(rule: Settings, varied: Mapping[str, Setting]) -> bool:
    return bool(rule) and all(key in varied and varied[key] == value for key, value in rule.items())
