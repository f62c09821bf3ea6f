"""Opens the ledger for a command that only reads: creates and migrates no ledger, and works on a read-only disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from orchestrator.core.errors import StorageFault
from orchestrator.stores.ledger.errors import EarlierVersion
from orchestrator.stores.ledger.sqlite import SqliteLedger

_MEMORY = Path(":memory:")


@contextmanager
def ledger_for_reading(path: Path) -> Iterator[SqliteLedger]:
    """The ledger at a path, or an empty one in memory if there is no file.

    In WAL mode SQLite writes beside the database even to read it. If that is not possible, a copy is read; it holds
    what was committed at that time. Of a ledger of an earlier version a copy is migrated and read.

    Raises:
        BadInput: The file is not a ledger.
        StorageFault: The file can be neither opened nor copied.
    """
    with ExitStack() as held:
        yield held.enter_context(closing(_opened(path, held)))


def _opened(path: Path, held: ExitStack) -> SqliteLedger:
    if not path.is_file():
        return SqliteLedger(_MEMORY)
    try:
        return SqliteLedger(path, migrates=False)
    except EarlierVersion:
        return SqliteLedger(_copied(path, held))
    except StorageFault as fault:
        try:
            return SqliteLedger(_copied(path, held))
        except OSError:  # nothing can be written, not even a temporary folder
            return _in_memory(path, fault)


def _copied(path: Path, held: ExitStack) -> Path:
    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="orchestrator-ledger-")))
    for beside in ("", "-wal"):  # the -wal file holds commits that are not in the database file yet
        source = path.with_name(path.name + beside)
        if source.is_file():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name


def _in_memory(path: Path, fault: StorageFault) -> SqliteLedger:
    """A copy in memory, if every commit is in the database file itself."""
    beside = path.with_name(path.name + "-wal")
    if beside.is_file() and beside.stat().st_size:
        raise fault
    content = bytearray(path.read_bytes())
    # Bytes 18 and 19 hold the journal mode (https://www.sqlite.org/fileformat2.html, 1.3): 1 needs no file beside the
    # database.
    content[18:20] = b"\x01\x01"
    ledger = SqliteLedger(_MEMORY)
    ledger.connection.deserialize(bytes(content))
    return ledger
