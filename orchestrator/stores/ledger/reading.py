"""Opens the ledger for a command that only reads: creates, changes and migrates none, and works on a read-only disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from orchestrator.core.errors import StorageFault
from orchestrator.stores.ledger.errors import EarlierVersion
from orchestrator.stores.ledger.schema import is_current
from orchestrator.stores.ledger.sqlite import BUSY_TIMEOUT_S, SqliteLedger

_MEMORY = Path(":memory:")
_checked: dict[Path, tuple[int, ...]] = {}
"""Ledgers that this process has found whole, as their files were then: a served page opens its ledger every 2 s, and
the checks read all of it."""


@contextmanager
def ledger_for_reading(path: Path) -> Iterator[SqliteLedger]:
    """The ledger at a path, or an empty one in memory if there is no file.

    In WAL mode SQLite needs two files beside the database even to read it. They are removed at the end unless they hold
    something or another program uses them. If they cannot be made, a copy is read; it holds what was committed at that
    time. Of a ledger of an earlier version a copy is migrated and read.

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
        return _ReadOnly(path)
    except EarlierVersion:
        return _Copy(path, _copied(path, held))
    except StorageFault as fault:
        try:
            return _Copy(path, _copied(path, held))
        except OSError:  # nothing can be written, not even a temporary folder
            return _in_memory(path, fault)


class _ReadOnly(SqliteLedger):
    """A ledger that is there and whose file stays as it is.

    Raises:
        EarlierVersion: It would have to be migrated.
    """

    def _connected(self, path: Path) -> sqlite3.Connection:
        return _connection(path, "ro")

    def _prepare(self) -> None:
        if not is_current(self._connection):
            raise EarlierVersion
        found = self._path.stat()
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if _checked.get(self._path) != state:
            self._require_whole_file()
            self._require_agreement()
            _checked[self._path] = state

    def close(self) -> None:
        """Close the file, and remove empty files that SQLite made beside it."""
        super().close()
        beside = self._path.with_name(f"{self._path.name}-wal")
        # A `-wal` that holds commits stays: the last connection that may write would move them into the database.
        with suppress(OSError, sqlite3.Error):  # nothing is lost if the empty files stay
            if beside.stat().st_size == 0:
                with closing(_connection(self._path, "rw")) as last:
                    last.execute("SELECT count(*) FROM sqlite_master")


class _Copy(SqliteLedger):
    """A copy that may be changed. Errors name the ledger itself: the copy is gone when the user reads them.

    Args:
        path: The ledger.
        copy: Its copy.
    """

    def __init__(self, path: Path, copy: Path) -> None:
        self._copy = copy
        super().__init__(path)

    def _connected(self, path: Path) -> sqlite3.Connection:
        return super()._connected(self._copy)


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    """Open an existing database.

    Args:
        mode: Of https://www.sqlite.org/uri.html.
    """
    place = path.absolute().as_posix()
    slash = "" if place.startswith("/") else "/"  # before the letter of a Windows drive
    name = f"file://{slash}{quote(os.fsencode(place), safe='/:')}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


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
