"""Writes the report on the trainings of any section: tables, LaTeX, picture and TensorBoard files."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from orchestrator.core.reporting.curve_picture import curves_svg
from orchestrator.core.reporting.seed_statistics import Statistic, statistics_of
from orchestrator.core.reporting.training import Training
from orchestrator.core.reporting.training_tables import as_csv, as_latex, curve_rows, statistic_rows, training_rows
from orchestrator.core.secret_search import masked_json
from orchestrator.kernel.files.atomic import write_text
from orchestrator.stores.reporting.event_files import write_events
from orchestrator.stores.secrets.rules import masking


def write_training_report(
    section: str, trainings: Sequence[Training], folder: Path, command: str
) -> tuple[list[Path], list[Statistic]]:
    """Write the report into a folder. The same trainings give the same files.

    A file without content is left out.

    Args:
        folder: Must exist.
        command: Command that makes the report, for the LaTeX file.

    Returns:
        The files and the folder for `tensorboard --logdir`, and the statistics over seeds.

    Raises:
        OSError: A file cannot be written.
    """
    mask = cache(masking())
    statistics = seed_statistics(trainings)
    trainings = [_without_secrets(one, mask) for one in trainings]
    texts = {
        "trainings.csv": as_csv(list(training_rows(trainings))),
        "learning_curves.csv": as_csv(list(curve_rows(trainings))),
        "statistics.csv": as_csv(list(statistic_rows(statistics))),
        "statistics.tex": as_latex(section, statistics, [f"Made by: {mask(command)}"]),
        "learning_curves.svg": curves_svg(section, trainings),
    }
    written = []
    for name, text in texts.items():
        if text:
            write_text(folder / name, text)
            written.append(folder / name)
    drawn = [one for one in trainings if one.curve.points]
    for one in drawn:
        write_events(one, folder / "tensorboard" / _folder_name(one))
    return [*written, *([folder / "tensorboard"] if drawn else [])], statistics


def seed_statistics(trainings: Sequence[Training]) -> list[Statistic]:
    """The statistics over seeds, of which `write_training_report` writes tables; their texts hold no secret."""
    mask = cache(masking())
    return statistics_of([_without_secrets(one, mask) for one in trainings], _uniform)


def _without_secrets(one: Training, mask: Callable[[str], str]) -> Training:
    """A training whose texts hold no secret: the names of its numbers come out of the session."""
    points = tuple(replace(point, measures=masked_json(point.measures, mask)) for point in one.curve.points)
    return replace(
        one,
        variant=mask(one.variant),
        numbers=masked_json(one.numbers, mask),
        curve=replace(one.curve, points=points),
        proof=masked_json(one.proof, mask),
        adopted=mask(one.adopted),
    )


def _uniform(seed: int) -> Callable[[], float]:
    return random.Random(seed).random


def _folder_name(one: Training) -> str:
    """A name that every file system takes; the lineage and the session keep it unique."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", one.variant)[:40].strip("_")
    return f"{plain}_{one.profile}_seed{one.seed}_{one.lineage_id[:8]}_{one.session[-8:]}"
