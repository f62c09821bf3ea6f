"""Lists and verifies the checkpoints of a models directory; a training starts from the newest verified one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.wire import CARD_SUFFIX, CHECKPOINTS, MODEL_SUFFIX, checkpoint_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Checkpoints of one scenario in a models directory.

    Attributes:
        verified: Cards whose files match byte for byte, newest (most steps) first.
        faults: Stem -> why it is not usable, newest first.
    """

    verified: tuple[CheckpointCard, ...]
    faults: dict[str, str]

    @property
    def latest(self) -> CheckpointCard | None:
        """The verified checkpoint with the most steps."""
        return self.verified[0] if self.verified else None


def survey_checkpoints(models_dir: Path, scenario: str) -> Survey:
    """Verify every checkpoint of a scenario. Order is by steps, never by file time."""
    folder = models_dir / CHECKPOINTS
    stems: dict[str, int] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            steps = checkpoint_steps(path.stem)
            if path.suffix in (MODEL_SUFFIX, CARD_SUFFIX) and steps is not None:
                stems[path.stem] = steps
    verified: list[CheckpointCard] = []
    faults: dict[str, str] = {}
    for stem in sorted(stems, key=lambda stem: stems[stem], reverse=True):
        card, fault = _verify(folder, stem, scenario)
        if card is None:
            faults[stem] = fault
        else:
            verified.append(card)
    return Survey(verified=tuple(verified), faults=faults)


def find_latest_checkpoint(models_dir: Path, scenario: str) -> CheckpointCard | None:
    """The newest checkpoint whose files match its card byte for byte, or None.

    Damaged and uncommitted checkpoints are skipped; `survey_checkpoints` lists them with the reason. Users import this
    function by its name from `validation_kaggle_manager.py`.
    """
    return survey_checkpoints(models_dir, scenario).latest


def _verify(folder: Path, stem: str, scenario: str) -> tuple[CheckpointCard | None, str]:
    path = folder / (stem + CARD_SUFFIX)
    if not path.is_file():
        return None, "it has no card: its save was never completed, or this program did not make it"
    try:
        card = read_card(path)
    except ValueError as fault:
        return None, str(fault)
    if card.scenario != scenario:
        return None, f"it belongs to scenario {card.scenario}"
    mismatch = card_fault(card, folder)
    return (None, mismatch) if mismatch else (card, "")
