"""In which kind of session a trial may run, the better one first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.section.session_kind import SessionKind

WORTHWHILE = 1.1
"""A GPU pays if it trains at least this many times as fast as a CPU session: less is within measurement noise."""


def possible_kinds(
    campaign: Campaign, status: TrialStatus, speeds: Mapping[SessionKind, float]
) -> tuple[SessionKind, ...]:
    """Kinds of session in which the next session of a trial may run, the better one first.

    A trial that has begun keeps its kind, because another device and image end exact resumes. Only the user changes
    it, by pinning the other kind. Empty if the campaign has no session of its kind.

    Args:
        speeds: Measured steps per second of its variant.
    """
    if campaign.backend != "kaggle":
        return (SessionKind.GPU,)
    variant = status.trial.variant
    kind = variant.pinned_kind or status.kind
    if kind is not None:
        wanted: tuple[SessionKind, ...] = (kind,)
    elif campaign.sessions is None:
        wanted = (variant.card.kaggle.kind,)
    elif why_no_gpu(variant.card.kaggle, speeds):
        wanted = (SessionKind.CPU, SessionKind.GPU)
    else:
        wanted = (SessionKind.GPU, SessionKind.CPU)
    return tuple(one for one in wanted if campaign.slots.of(one))


def on_kind(campaign: Campaign, card: SectionCard, kind: SessionKind) -> SectionCard:
    """A card as a session of that kind is pushed with; only Kaggle has kinds."""
    return card.of_kind(kind) if campaign.backend == "kaggle" else card


def gpu_card(campaign: Campaign, trials: Iterable[Trial]) -> SectionCard | None:
    """A card of the campaign for GPU sessions, to ask for their quota; None if no trial may use one."""
    if not campaign.slots.of(SessionKind.GPU):
        return None
    if campaign.backend != "kaggle":
        return next((trial.card for trial in trials), None)
    on_gpu = (trial.card for trial in trials if trial.variant.pinned_kind is not SessionKind.CPU)
    return next(on_gpu, None)


KIND_REMEDY = (
    "Give the campaign sessions of that kind, or pin the other one in the trial's settings (kaggle.gpu) to continue "
    "on another device, at most at grade statistical."
)


def no_session_of_kind(status: TrialStatus) -> str:
    """Why a trial has no kind of session in its campaign."""
    kind = status.trial.variant.pinned_kind
    if kind is not None:
        return f"it needs {kind.value.upper()} sessions, and the campaign's `sessions` has none"
    began = status.kind.value.upper() if status.kind else "other"
    return f"it began in {began} sessions, and the campaign's `sessions` has none: it would not continue exactly"


def why_no_gpu(settings: KaggleSettings, speeds: Mapping[SessionKind, float]) -> str:
    """Why a GPU has nothing to do for a section, empty if it may have.

    Args:
        speeds: Measured steps per second in sessions of each kind.
    """
    if settings.device == "cpu":
        return "it computes on the CPU (kaggle.device: cpu)"
    gpu, cpu = speeds.get(SessionKind.GPU), speeds.get(SessionKind.CPU)
    if gpu is not None and cpu is not None and gpu < WORTHWHILE * cpu:
        return f"measured {gpu:.0f} steps/s in GPU sessions, {cpu:.0f} steps/s in CPU sessions"
    return ""
