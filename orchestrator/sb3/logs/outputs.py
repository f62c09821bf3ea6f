"""What a logger holds between two steps that it logs, and what its outputs know of their files."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder

_VALUES = ("name_to_value", "name_to_count", "name_to_excluded")


def capture_logger(logger: Logger, buffers: list[bytes], outside: dict[str, Any]) -> dict[str, Any]:
    """Recorded values that are not logged yet, and the attributes of each output, e.g. the columns of a csv file."""
    tree: dict[str, Any] = {"outputs": [], "values": {}}
    for output in logger.output_formats:
        kind, node = type(output).__qualname__, []
        if not isinstance(output, TensorBoardOutputFormat):
            node = Encoder(buffers, outside=outside).attributes(output, kind)
        tree["outputs"].append([kind, node])
    for name in _VALUES:
        encoder = Encoder(buffers, outside=outside)
        values = {key: encoder.encode(value, key) for key, value in getattr(logger, name).items()}
        tree["values"][name] = [[key, node] for key, node in values.items() if node != {"is": "lost"}]
    return tree


def restore_logger(logger: Logger, tree: dict[str, Any], buffers: list[bytes], outside: dict[str, Any]) -> None:
    """Restore what `capture_logger` captured; outputs of another kind than before stay as they are."""
    for output, (kind, node) in zip(logger.output_formats, tree["outputs"], strict=False):
        if type(output).__qualname__ == kind and not isinstance(output, TensorBoardOutputFormat):
            Decoder(buffers, outside=outside).attributes(output, node)
    for name in _VALUES:
        decoder, values = Decoder(buffers, outside=outside), getattr(logger, name)
        values.clear()
        values.update({key: decoder.decode(node) for key, node in tree["values"][name]})
