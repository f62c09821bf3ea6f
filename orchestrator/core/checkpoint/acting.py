"""What a model file needs besides itself so that its policy acts as it did in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import NORMALIZATION_FORMAT, SavedNormalization

_OBSERVATIONS, _REWARDS = "observations", "rewards"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFile:
    """The statistics file beside a model zip.

    Attributes:
        path: Where it is, or should be.
        saved: Its content; None if it is missing or faulty.
        fault: Why it cannot be used; None if it is sound or missing.
    """

    path: str
    saved: SavedNormalization | None = None
    fault: str | None = None

    @property
    def state(self) -> str:
        """`verified` (it belongs to exactly this zip), `missing` or `faulty`."""
        if self.saved is not None:
            return "verified"
        return "missing" if self.fault is None else "faulty"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingNeeds:
    """What a plain load of the zip leaves out.

    Attributes:
        layers: Classes between policy and environment, outermost first; None if unknown.
        normalizes: What was normalized in training, `observations` and `rewards`; None if unknown.
        statistics: The file with the normalization statistics.
        has_card: Whether a card describes the zip.
    """

    layers: tuple[str, ...] | None
    normalizes: tuple[str, ...] | None
    statistics: StatisticsFile
    has_card: bool

    @property
    def needs_statistics(self) -> bool:
        """Whether the policy acts wrongly without the statistics file."""
        return self.normalizes is not None and _OBSERVATIONS in self.normalizes

    @property
    def fault(self) -> str | None:
        """Why the policy cannot be used, None if it can.

        A checkpoint of an earlier version has a card but no statistics file. That is no fault: its state file holds
        the statistics, and a session resumes from it exactly.
        """
        if self.statistics.fault is not None:
            return self.statistics.fault
        if self.needs_statistics and self.statistics.state == "missing" and not self.has_card:
            return (
                f"{self.statistics.path} is missing: this policy learned from normalized observations and acts wrongly"
                " without it; copy it from the place where you got the zip"
            )
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "layers": None if self.layers is None else list(self.layers),
            "normalizes": None if self.normalizes is None else list(self.normalizes),
            "needs_statistics": self.needs_statistics,
            "statistics": {"path": self.statistics.path, "state": self.statistics.state},
        }


def acting_needs(
    card: CheckpointCard | None, in_zip: tuple[str, ...] | None, statistics: StatisticsFile
) -> ActingNeeds:
    """Combine what the statistics file, the card and the zip say.

    Args:
        card: The zip's card, None without one.
        in_zip: Layers named in the zip; None if it names none.
        statistics: The file beside the zip.
    """
    identity = card.identity if card else {}
    named = identity.get("acts_through", in_zip)
    layers = tuple(map(str, named)) if isinstance(named, list | tuple) else None
    normalizes = _normalizes(identity, layers, statistics.saved, has_card=card is not None)
    if layers is None and normalizes is not None and (normalizes or card):  # cards of earlier versions name no layers
        layers = (NORMALIZATION_FORMAT,) if _OBSERVATIONS in normalizes else ()
    return ActingNeeds(layers=layers, normalizes=normalizes, statistics=statistics, has_card=card is not None)


def _normalizes(
    identity: Mapping[str, Any], layers: tuple[str, ...] | None, saved: SavedNormalization | None, *, has_card: bool
) -> tuple[str, ...] | None:
    """What was normalized: by the statistics, else by the hyper-parameters, else by the names of the layers."""
    if saved is not None:
        return saved.normalizes
    hyper_parameters = identity.get("hyper_parameters")
    declared = hyper_parameters.get("normalize") if isinstance(hyper_parameters, Mapping) else None
    if isinstance(declared, bool):
        return (_OBSERVATIONS, _REWARDS) if declared else ()
    if isinstance(declared, Mapping):
        names = {_OBSERVATIONS: "norm_obs", _REWARDS: "norm_reward"}  # the library's names, and its default true
        return tuple(what for what, other in names.items() if declared.get(what, declared.get(other, True)))
    if layers is not None:
        return (_OBSERVATIONS,) if NORMALIZATION_FORMAT in layers else ()
    return () if has_card else None


def acting_lines(needs: ActingNeeds, *, zip_path: str, algorithm: str | None) -> list[str]:
    """The needs as lines of text."""
    lines = _normalization_lines(needs, zip_path=zip_path, algorithm=algorithm)
    if needs.layers:
        lines.append(f"  between policy and environment: {', '.join(needs.layers)} (a plain load has none of them)")
    return lines


def _normalization_lines(needs: ActingNeeds, *, zip_path: str, algorithm: str | None) -> list[str]:
    found = needs.statistics
    if needs.normalizes is None:
        return [f"  normalization: unknown; neither a card nor {found.path} says"]
    what = " and ".join(needs.normalizes)
    if found.state == "verified":
        load = f'env = load_normalization("{zip_path}", env); {algorithm or "ALGORITHM"}.load("{zip_path}", env=env)'
        return [
            f"  normalization: of {what}",
            f"    ✓ {found.path} belongs to this model",
            f"    load both: {load} (docs/RESUME.md)",
        ]
    if not needs.normalizes:
        return ["  normalization: none"]
    if found.state == "missing" and needs.fault is None:
        effect = "a plain load acts wrongly" if needs.needs_statistics else "only its rewards were normalized"
        return [
            f"  normalization: of {what}; {found.path} is missing: {effect}",
            "    an earlier version saved this checkpoint; the next session that continues it writes the file",
        ]
    return [f"  normalization: of {what}"]
