"""The ledger for a command that only asks: it works where nothing can be written, and creates no ledger."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from orchestrator.core.errors import StorageFault
from orchestrator.stores.ledger.sqlite import SqliteLedger

_MEMORY = Path(":memory:")


@contextmanager
def ledger_for_reading(path: Path) -> Iterator[SqliteLedger]:
    """The ledger at a path; an empty one in memory if there is no file.

    SQLite writes beside a database in this mode even to read it. Where that is not possible, a copy is read; it holds
    what was committed when it was made.

    Raises:
        BadInput: The file is no ledger.
        StorageFault: It can be neither opened nor copied.
    """
    with ExitStack() as held:
        yield held.enter_context(closing(_opened(path, held)))


def _opened(path: Path, held: ExitStack) -> SqliteLedger:
    if not path.is_file():
        return SqliteLedger(_MEMORY)
    try:
        return SqliteLedger(path)
    except StorageFault as fault:
        try:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="orchestrator-ledger-"))
        except OSError:  # nothing at all can be written
            return _in_memory(path, fault)
        return SqliteLedger(_copied(path, Path(folder)))


def _copied(path: Path, folder: Path) -> Path:
    for beside in ("", "-wal"):  # what is not yet in the database itself stands in the second
        source = path.with_name(path.name + beside)
        if source.is_file():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name


def _in_memory(path: Path, fault: StorageFault) -> SqliteLedger:
    """The database itself, if all that was committed is in it."""
    beside = path.with_name(path.name + "-wal")
    if beside.is_file() and beside.stat().st_size:
        raise fault
    content = bytearray(path.read_bytes())
    # Bytes 18 and 19 tell the journal mode (https://www.sqlite.org/fileformat2.html, 1.3): 1 is one without a file
    # beside the database.
    content[18:20] = b"\x01\x01"
    ledger = SqliteLedger(_MEMORY)
    ledger.connection.deserialize(bytes(content))
    return ledger
