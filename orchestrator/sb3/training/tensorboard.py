"""The training's curves as TensorBoard event files, for viewing only; this program never reads them.

The curves of a lineage are one run, against the absolute step. The folder of each session holds them from the first
step to the end of that session (`tensorboard --logdir validation_output/results`); see `sb3/logs`. Evaluations on
tuning scenarios are added to Stable-Baselines3's usual values. Recording draws no random number and never changes a
weight.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

_LIBRARY = "tensorboard"
CURVES = "tensorboard"
"""Folder of the event files, beside those of the models and the metrics."""


@contextlib.contextmanager
def curves_into(folder: Path, model: BaseAlgorithm) -> Iterator[None]:
    """Context manager: the model writes its curves into a folder; does nothing if TensorBoard is not installed.

    The files are closed at the end, also after an error, since the manifest will hash them.
    """
    if importlib.util.find_spec(_LIBRARY) is None:
        yield
        return
    before, logger = model.logger, Logger(folder=str(folder), output_formats=[TensorBoardOutputFormat(str(folder))])
    model.set_logger(logger)
    try:
        yield
    finally:
        logger.close()
        model.set_logger(before)


def add_evaluation(logger: Logger, steps: int, measures: Mapping[str, float]) -> None:
    """Write the measures of an evaluation at a step."""
    for output in logger.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            for name, value in measures.items():
                output.writer.add_scalar(f"evaluation/{name}", value, steps)
            output.writer.flush()
