"""Where a trial may run, the better site first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site

WORTHWHILE = 1.1
"""A GPU pays if it trains at least this many times as fast as a CPU session: less is within measurement noise."""

PATIENCE_S = 3600.0
"""A trial waits so long for a backend that cannot be reached before it goes on elsewhere: most outages are short."""


def possible_sites(
    campaign: Campaign, status: TrialStatus, speeds: Mapping[Site, float], slots: Slots | None = None
) -> tuple[Site, ...]:
    """Where the next session of a trial may run, the better site first.

    A trial that has begun keeps its site, because another device and image end exact resumes. It comes first; after it
    come the other backends on which the trial may go on while its own takes no sessions. Only the user changes the kind
    of its Kaggle sessions, by pinning the other kind. Empty if the campaign has no session for it.

    Args:
        speeds: Measured steps per second of its variant.
        slots: Those of the campaign, if they are at hand.
    """
    slots = slots or campaign.slots
    variant, own = status.trial.variant, status.site
    sites = [
        site
        for backend in slots.backends
        for site in (_of_kaggle(campaign, status, speeds) if backend == KAGGLE else (Site(backend),))
        if slots.of(site)
    ]
    if len(slots.backends) == 1 or own is None:
        return tuple(sites)
    device = device_of(variant.card, own)
    others = sorted(
        (one for one in sites if one.backend != own.backend), key=lambda one: device_of(variant.card, one) != device
    )
    stays = [one for one in sites if one.backend == own.backend]
    return (*stays, *others) if may_move(status) else tuple(stays)


def _of_kaggle(campaign: Campaign, status: TrialStatus, speeds: Mapping[Site, float]) -> tuple[Site, ...]:
    """The kinds of Kaggle session in which a trial may run, the better one first."""
    variant = status.trial.variant
    earlier = next((site.kind for site in reversed(status.sites) if site.backend == KAGGLE), None)
    kind = variant.pinned_kind or earlier
    shared = isinstance(campaign.limits["kaggle"].sessions, int)
    if kind is not None:
        wanted: tuple[SessionKind, ...] = (kind,)
    elif shared:
        wanted = (variant.card.kaggle.kind,)
    elif why_no_gpu(variant.card.kaggle, speeds):
        wanted = (SessionKind.CPU, SessionKind.GPU)
    else:
        wanted = (SessionKind.GPU, SessionKind.CPU)
    return tuple(Site(KAGGLE, one) for one in wanted)


def may_move(status: TrialStatus) -> bool:
    """Whether a trial that has begun may go on on another backend: an exact resume cannot be promised there."""
    return status.trial.variant.card.resume_floor != "exact"


def device_of(card: SectionCard, site: Site) -> str:
    """Device on which a card's session computes at a site: `cpu`, `cuda` or `auto`."""
    if site.kind is None:
        return card.device
    return "cpu" if site.kind is SessionKind.CPU else card.kaggle.device


def on_site(card: SectionCard, site: Site) -> SectionCard:
    """A card as a session at that site is pushed with; only Kaggle has kinds."""
    return card if site.kind is None else card.of_kind(site.kind)


def metered_site(campaign: Campaign, trials: Iterable[Trial]) -> Site | None:
    """The site for whose sessions the quota is asked; None if no trial may use one."""
    for site in campaign.slots.sites:
        if site in campaign.slots.metered and (
            site.kind is None or any(trial.variant.pinned_kind is not SessionKind.CPU for trial in trials)
        ):
            return site
    return None


def waits_for_backend(status: TrialStatus, away: Iterable[str], now: datetime) -> bool:
    """Whether a trial that has begun waits for a backend that cannot be reached, instead of going on elsewhere."""
    if status.site is None or status.site.backend not in away:
        return False
    idle_since = status.idle_since
    return not may_move(status) or idle_since is None or now - idle_since < timedelta(seconds=PATIENCE_S)


KIND_REMEDY = (
    "Give the campaign sessions of that kind, or pin the other one in the trial's settings (kaggle.gpu) to continue "
    "on another device, at most at grade statistical."
)
EXACT_REMEDY = (
    "Name that backend in `backends` again, or lower the card's resume_floor. `campaign tick FILE --backend NAME` "
    "moves it too; the session refuses a resume that is not exact."
)


def no_session(campaign: Campaign, status: TrialStatus) -> tuple[str, str]:
    """Why a trial has no session in its campaign, and the remedy."""
    kind, site = status.trial.variant.pinned_kind, status.site
    if campaign.backend is None and site is not None and site.backend not in campaign.limits:
        return (
            f"it began in {site.words}, which the campaign does not name, and its card requires exact resumes",
            EXACT_REMEDY,
        )
    if kind is not None:
        return f"it needs {kind.value.upper()} sessions, and the campaign's `sessions` has none", KIND_REMEDY
    began = site.kind.value.upper() if site is not None and site.kind else "other"
    return (
        f"it began in {began} sessions, and the campaign's `sessions` has none: it would not continue exactly",
        KIND_REMEDY,
    )


def why_no_gpu(settings: KaggleSettings, speeds: Mapping[Site, float]) -> str:
    """Why a GPU has nothing to do for a section, empty if it may have.

    Args:
        speeds: Measured steps per second in sessions of each kind.
    """
    if settings.device == "cpu":
        return "it computes on the CPU (kaggle.device: cpu)"
    gpu, cpu = speeds.get(Site(KAGGLE, SessionKind.GPU)), speeds.get(Site(KAGGLE, SessionKind.CPU))
    if gpu is not None and cpu is not None and gpu < WORTHWHILE * cpu:
        return f"measured {gpu:.0f} steps/s in GPU sessions, {cpu:.0f} steps/s in CPU sessions"
    return ""
