"""A short path to the folder for temporary files, for the sockets that child processes of a session open there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 70
"""A socket's path has at most 103 bytes on macOS, 107 on Linux; multiprocessing adds 32 of its own.

Source: `sun_path` of <sys/un.h>; `multiprocessing.util.get_temp_dir` and `multiprocessing.connection`.
"""


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """The folder itself, or a link to it where its path is too long; `forkserver` of multiprocessing needs it."""
    if os.name != "posix" or len(os.fsencode(folder)) <= _LONGEST:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="orc-") as short:
        link = Path(short) / "t"
        link.symlink_to(folder, target_is_directory=True)
        yield link
