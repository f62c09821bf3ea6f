"""TensorBoard's event files: one folder for each lineage, in which every tag has one point at each step.

Each session writes a further file. The files of earlier sessions are put back as they were at the checkpoint, without
the points of lost work.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

_MARK = "tfevents"
"""Part of the name of every event file."""


class OnePointPerStep(TensorBoardOutputFormat):
    """Writes the last value that a tag has at a step: two episodes that end in one step are logged twice.

    Args:
        inner: Writes the points.
    """

    def __init__(self, inner: TensorBoardOutputFormat) -> None:
        self._inner = inner
        self._step: int | None = None
        self._values: dict[str, Any] = {}
        self._excluded: dict[str, tuple[str, ...]] = {}

    @property  # the inner one's, which a resume may exchange
    def writer(self) -> Any:  # type: ignore[override]  # of the inner output, which is another class
        """The writer of the event file."""
        return self._inner.writer

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Keep the values of a step until those of the next one come."""
        if step != self._step:
            self.flush()
        self._step = step
        self._values |= key_values
        self._excluded |= key_excluded

    def flush(self) -> None:
        """Write what is kept."""
        if self._step is not None:
            self._inner.write(self._values, self._excluded, self._step)
        self._step, self._values, self._excluded = None, {}, {}
        self.writer.flush()

    def close(self) -> None:
        """Write what is kept and close the file."""
        self.flush()
        self._inner.close()


def curves_of(logger: Logger) -> list[OnePointPerStep]:
    """The outputs of a logger that write event files."""
    for index, output in enumerate(logger.output_formats):
        if isinstance(output, TensorBoardOutputFormat) and not isinstance(output, OnePointPerStep):
            logger.output_formats[index] = OnePointPerStep(output)
    found: Iterator[KVWriter] = iter(logger.output_formats)
    return [output for output in found if isinstance(output, OnePointPerStep)]


def event_files(folder: Path) -> list[Path]:
    """The event files in a folder, oldest first."""
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(path for path in found if _MARK in path.name and path.is_file())


def folder_of(output: OnePointPerStep) -> Path:
    """The folder of an output."""
    return Path(output.writer.log_dir).absolute()


def own_file(output: OnePointPerStep) -> Path | None:
    """The event file that this process writes, None before it has opened one."""
    event_writer = getattr(output.writer.file_writer, "event_writer", None)
    name = getattr(event_writer, "_file_name", None)
    return None if name is None else Path(name).absolute()


def unused_folder(folder: Path) -> Path:
    """A folder without event files: this one, or that of the next free number, as `PPO_0` and `PPO_1`."""
    name, _, number = folder.name.rpartition("_")
    if not number.isdigit():
        name, number = folder.name, "0"
    for next_number in itertools.count(int(number)):
        found = folder if next_number == int(number) else folder.with_name(f"{name}_{next_number}")
        if not event_files(found):
            return found
    raise AssertionError  # `count` has no end


def move_to(output: OnePointPerStep, folder: Path, *, purge_step: int | None = None) -> None:
    """Let an output write into a folder, in a new file. The empty file that it has opened is removed.

    Args:
        output: The output; its writer stays the same object.
        folder: The folder.
        purge_step: A running TensorBoard forgets the points from this step on; None: it forgets none.
    """
    writer, before, file = output.writer, folder_of(output), own_file(output)
    writer.close()
    if file is not None:
        file.unlink(missing_ok=True)
    if before != folder:
        with contextlib.suppress(OSError):  # it holds other files
            before.rmdir()
    writer.log_dir, writer.purge_step = str(folder), purge_step


def restore_files(folder: Path, files: Mapping[str, bytes], *, others: set[str]) -> None:
    """Make a folder hold the event files of a checkpoint.

    Args:
        folder: The folder.
        files: Name -> content at the checkpoint. What follows it in a file is of lost work and is cut off. A name that
            no event file can have is left out: it could be a path to anywhere.
        others: Names of files that another training wrote; the rest is of sessions whose work is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in event_files(folder):
        if path.name not in files and path.name not in others:
            path.unlink()
    for name, content in files.items():
        if _MARK not in name or re.fullmatch(r"[\w.\-]+", name) is None:
            continue
        path = folder / name
        if path.is_file() and path.read_bytes().startswith(content):
            os.truncate(path, len(content))
        else:
            path.write_bytes(content)


def last_step(folder: Path) -> int:
    """The highest step of the points in a folder, -1 without any."""
    # Tensorboard carries no types.
    from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-untyped]
        EventFileLoader,
    )

    return max((event.step for path in event_files(folder) for event in EventFileLoader(str(path)).Load()), default=-1)
