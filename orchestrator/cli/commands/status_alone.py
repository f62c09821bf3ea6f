"""What `status` shows of scripts that ran without a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.stores.checkpoint.alone_trainings import AloneTraining


def alone_lines(trainings: Sequence[AloneTraining], start: Path) -> Iterator[str]:
    """The trainings as text, one line each, and one for each checkpoint that is not usable.

    Args:
        start: The folder in which the scripts were started; the current one.
    """
    from orchestrator.core.checkpoint.inventory import shown_name
    from orchestrator.core.proof.record import proof_line

    if trainings:
        yield "Scripts without a section, started in this folder:"
    for one in trainings:
        saved = [f"{one.steps} steps saved", f"grade {one.grade}"]
        facts = saved if one.grade else ["no usable checkpoint" if one.faults else "nothing saved yet"]
        facts += [proof_line(one.proof)] if one.proof else []
        script = one.name if one.script is None else one.script.relative_to(start).as_posix()
        yield f"  {script}: {', '.join(facts)}, in {one.folder.relative_to(start).as_posix()}"
        if one.live is not None:
            yield f"    {one.live['line']}"
        yield from (f"    ✗ {shown_name(stem)}: {shown_name(why)}" for stem, why in one.faults.items())
