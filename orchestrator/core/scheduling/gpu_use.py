"""Whether a GPU session gives a section anything, by its settings and by the sessions in the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from orchestrator.core.campaign.config import Assumed
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.scheduling.placement import why_no_gpu
from orchestrator.core.scheduling.speeds import train_seconds
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import CPU_SESSIONS
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site

_OVERHEAD_S = Assumed().start_s + Assumed().save_s


def kind_speeds(records: Iterable[SessionRecord], card: SectionCard) -> dict[SessionKind, float]:
    """Steps per second in sessions of each kind, over all sessions of the card's section and algorithm."""
    steps: defaultdict[SessionKind, int] = defaultdict(int)
    train_s: defaultdict[SessionKind, float] = defaultdict(float)
    for one in records:
        trained = (one.steps_done or 0) - (one.steps_begun or 0)
        if one.stage is not Stage.CLOSED or one.kind is None or not one.wall_s or trained <= 0:
            continue
        spec = one.ticket["spec"]
        if (spec.get("section"), spec["lineage"].get("algorithm")) == (card.section, card.algorithm):
            steps[one.kind] += trained
            train_s[one.kind] += train_seconds(one.wall_s, 1, _OVERHEAD_S)
    return {kind: steps[kind] / train_s[kind] for kind in steps}


def gpu_advice(card: SectionCard, speeds: Mapping[SessionKind, float]) -> str:
    """A sentence for a section whose pushes ask for a GPU that has nothing to do; else empty.

    Args:
        speeds: Measured steps per second in sessions of each kind.
    """
    on_sites = {Site(KAGGLE, kind): speed for kind, speed in speeds.items()}
    why = why_no_gpu(card.kaggle, on_sites) if card.kaggle.gpu else ""
    if not why:
        return ""
    return f"A GPU has nothing to do for {card.section}: {why}"


CPU_REMEDY = (
    f"CPU sessions give the same: {CPU_SESSIONS} at once, 12 h each, no weekly quota. Write kaggle: {{gpu: false}} in "
    f"the card, or sessions: {{cpu: {CPU_SESSIONS}}} in a campaign. With the card, trainings that have begun in GPU "
    "sessions continue at grade statistical; a campaign continues them in GPU sessions only."
)
