"""The training's curves as TensorBoard event files, for eyes only: nothing here is read again.

Each session writes a run of its own, against the absolute step, so that the runs of a chain lie end to end in one
picture (`tensorboard --logdir validation_output/results`). Stable-Baselines3 records what it always does; the
evaluations on tuning scenarios are added. Recording draws no random number and never changes a weight.
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
    """Let a model write its curves into a folder meanwhile; silently not, where TensorBoard is not installed.

    However the training ends, the files are whole afterwards, as the manifest will hash them.
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
    """Add the measures of an evaluation at a step, beside whatever the logger has yet to write."""
    for output in logger.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            for name, value in measures.items():
                output.writer.add_scalar(f"evaluation/{name}", value, steps)
            output.writer.flush()
