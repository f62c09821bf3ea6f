"""`--accept-grade weights-only`: refused if there are no weights, or if no step would be trained from them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.checkpoint.compatibility import Compatibility, Grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.kernel.checkpoint.resume_grade import WEIGHTS_ONLY
from orchestrator.kernel.wire import CHECKPOINTS, models_path

_FLAG = f"--accept-grade {WEIGHTS_ONLY}"
_ROOT = Path("validation_ch7")


def require_weights_used(
    request: RunRequest, view: CheckpointInventory, comparison: Compatibility | None, target_steps: int | None
) -> None:
    """Refuse a run that should start from the weights of a checkpoint and would not.

    Args:
        view: The models directory that the run starts from.
        comparison: Of its latest checkpoint with the training that is asked for, None without one.
        target_steps: Where the run ends, None if the section decides.

    Raises:
        BadInput: The directory holds no checkpoint, or the checkpoint's steps are at the target already.
    """
    if request.accept_grade is None:
        return
    if comparison is None:
        raise _nothing_to_take(request.card)
    if comparison.grade is Grade.WEIGHTS_ONLY and target_steps is not None and view.steps >= target_steps:
        raise BadInput(
            f"{_FLAG} would train nothing: the checkpoint whose weights it takes has {view.steps} steps, "
            f"the target is {target_steps}",
            remedy="The step count goes on: give --add-steps N, or a higher --target-steps.",
        )


def unneeded(request: RunRequest, grade: str | None) -> list[str]:
    """A line if the flag changed nothing.

    Args:
        grade: At which the run resumed, None where it started no session.
    """
    if request.accept_grade is None or grade == WEIGHTS_ONLY:
        return []
    how = f"the checkpoint in place continues at grade {grade}" if grade else "no session was needed"
    return [f"{_FLAG} had no effect: {how}"]


def _nothing_to_take(card: SectionCard) -> BadInput:
    if not card.trial:
        return BadInput(
            f"{_FLAG} has no effect: {_checkpoints(card, None)} holds no checkpoint whose weights could be taken",
            remedy="Leave it out to train from step 0, or put the checkpoint there with its three files "
            "(.zip, .state.npz, .json).",
        )
    own, trial = _checkpoints(card, None), _checkpoints(card, short(card.lineage.id))
    return BadInput(
        f"{_FLAG} has no effect: these settings make another training, {short(card.lineage.id)}, with a models "
        f"directory of its own; {trial} holds no checkpoint whose weights could be taken",
        remedy=f"To start from the section's own checkpoint, in the project's folder: python -c \"import shutil; "
        f"shutil.copytree('{own}', '{trial}', dirs_exist_ok=True)\", then the same command again. "
        "(It fits the same algorithm and network alone.) Without the option it trains from step 0.",
    )


def _checkpoints(card: SectionCard, trial: str | None) -> str:
    return (models_path(_ROOT, card.directory, trial) / CHECKPOINTS).as_posix()
