"""The kind of Kaggle session that a card, or a setting of a campaign, decides."""

from __future__ import annotations

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import MOST_SESSIONS
from orchestrator.core.section.overrides import Settings
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site

_KEYS = frozenset({"kaggle.gpu", "kaggle.accelerator"})


def pinned_kind_of(card: SectionCard, settings: Settings) -> SessionKind | None:
    """The kind that the user chose, None if the planner may choose.

    `gpu: true` is the card's default, so only a setting of the campaign or `device: cuda` pins the GPU.
    """
    if not card.kaggle.gpu:
        return SessionKind.CPU
    return SessionKind.GPU if card.kaggle.device == "cuda" or _KEYS & settings.keys() else None


def require_session(campaign: Campaign, group: str, card: SectionCard, settings: Settings) -> None:
    """Refuse a variant that needs a kind of session of which its campaign on Kaggle has none.

    Raises:
        BadInput: No trial of it could ever start.
    """
    kind = pinned_kind_of(card, settings)
    if kind is None or campaign.slots.of(Site(KAGGLE, kind)):
        return
    key = "gpu: false" if kind is SessionKind.CPU else f"device: {card.kaggle.device}"
    why = "its settings" if _KEYS & settings.keys() else f"kaggle.{key} in the card"
    raise BadInput(
        f"{campaign.campaign}: trials.{group} needs {kind.value.upper()} sessions ({why}), and `sessions` has none",
        remedy=f"Add them, for example sessions: {{{kind.value}: {MOST_SESSIONS[kind]}}}, or change kaggle.gpu.",
    )
