"""Storage errors are recognised at any depth of an exception chain, and a full disk ends a session properly."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.files import atomic, reserve
from orchestrator.kernel.files.storage import StorageTrouble, is_full, storage_path, storage_trouble
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session import manifest
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.wire import CHECKPOINTS, EVENTS_NAME, models_path
from tests.doubles.clock import FakeClock
from tests.unit.kernel.makers import make_ticket, save
from tests.unit.kernel.session.test_boot import SessionBench, session_bench

assert session_bench  # the fixture is used below


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


WRAPPERS: list[Callable[[BaseException], BaseException]] = [
    lambda fault: _raised(RuntimeError("the save failed"), fault),
    lambda fault: _raised(ValueError("x"), None, context=fault),
    lambda fault: ExceptionGroup("two", [ValueError("y"), fault] if isinstance(fault, Exception) else []),
    lambda fault: _raised(SystemExit(1), fault),
]


def _raised(outer: BaseException, cause: BaseException | None, context: BaseException | None = None) -> BaseException:
    outer.__cause__, outer.__context__ = cause, context
    return outer


@given(st.lists(st.sampled_from(WRAPPERS), max_size=5), st.sampled_from([errno.ENOSPC, errno.EDQUOT]))
def test_a_full_disk_is_recognised_in_every_exception_chain(
    wrappers: list[Callable[..., BaseException]], number: int
) -> None:
    fault: BaseException = OSError(number, os.strerror(number))
    for wrap in wrappers:
        fault = wrap(fault)
        if not isinstance(fault, Exception):
            break
    assert storage_trouble(fault) is StorageTrouble.FULL


def test_other_storage_errors_count_only_as_stated_causes() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied", "/data/x")
    assert storage_trouble(denied) is StorageTrouble.DENIED
    assert storage_trouble(_raised(RuntimeError("x"), denied)) is StorageTrouble.DENIED
    assert storage_trouble(_raised(KeyError("our bug"), None, context=denied)) is None
    assert storage_path(_raised(RuntimeError("x"), denied)) == Path("/data/x")
    for number, trouble in (
        (errno.EROFS, StorageTrouble.READ_ONLY),
        (errno.EFBIG, StorageTrouble.TOO_LARGE),
        (errno.EMFILE, StorageTrouble.TOO_MANY_OPEN),
        (errno.ENOENT, None),
        (errno.EEXIST, None),
    ):
        assert storage_trouble(OSError(number, "x")) is trouble


def test_a_full_disk_is_recognised_without_an_error_number(tmp_path: Path) -> None:
    assert is_full(RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 192 vs 84"))
    assert is_full(RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"))
    assert not is_full(RuntimeError("CUDA out of memory"))
    copied = shutil.Error([("a", "b/c", "[Errno 28] No space left on device: 'b/c'"), ("d", "e", "x")])
    assert is_full(copied) and storage_path(copied) == Path("b/c")
    database = sqlite3.connect(tmp_path / "x.sqlite")
    database.execute("PRAGMA max_page_count=2")
    database.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError) as fault:
        database.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
    database.close()
    assert is_full(fault.value)


@pytest.mark.parametrize("wrap", [lambda fault: fault, *WRAPPERS])
def test_a_session_with_a_full_disk_reports_it_and_keeps_its_checkpoints(
    session_bench: SessionBench, wrap: Callable[[BaseException], BaseException]
) -> None:
    def act(context: SessionContext) -> SectionOutcome:
        save(context.models_dir, 20, ticket=context.ticket)
        raise wrap(no_space())

    code, result = session_bench.run(act)
    assert code == result.exit_code == EXIT_CODES[KernelEnding.DISK_FULL]
    assert result.outcome.ending is KernelEnding.DISK_FULL
    assert result.outcome.steps_done == 20 and result.outcome.verdict is None
    assert "No room on the disk of" in str(result.error).splitlines()[-1]
    assert not (session_bench.workspace.working / reserve.RESERVE_NAME).exists()


class Disk:
    """A disk that is full from the n-th `fsync` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
        self.calls, self._nth = 0, nth
        self._real = os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor: int) -> None:
        self.calls += 1
        if self.calls >= self._nth:
            raise no_space()
        self._real(descriptor)


def _train(context: SessionContext) -> SectionOutcome:
    for steps in (10, 20, 30):
        save(context.models_dir, steps, ticket=context.ticket)
    return SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=30, verdict=Verdict.SUPPORTED)


@pytest.mark.parametrize("nth", range(1, 24))
def test_a_disk_full_at_any_write_leaves_no_partial_file_and_its_exit_code(
    session_bench: SessionBench, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    disk = Disk(monkeypatch, nth)
    session_bench.entry.run = _train  # type: ignore[attr-defined]  # a module created by this test
    code = session_bench.boot()
    working = session_bench.workspace.working
    if (written := read_manifest(working)) is not None:
        assert code == written.exit_code == 0 and nth > 20
        return
    assert code == EXIT_CODES[KernelEnding.DISK_FULL]
    assert not [path for path in working.rglob(".*") if path.is_file()]
    assert disk.calls >= nth  # the disk stays full, even for the manifest
    assert any("No room on the disk of" in line for line in session_bench.lines)
    folder = models_path(working, make_ticket().section_dir) / CHECKPOINTS
    for card in folder.glob("*.json"):
        assert all((folder / f"{card.stem}{suffix}").is_file() for suffix in (".zip", ".state.npz"))


def test_the_reserve_is_freed_for_the_manifest(session_bench: SessionBench, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve_file = session_bench.workspace.working / reserve.RESERVE_NAME
    real = manifest.write_json

    def write(path: Path, value: object) -> None:
        if reserve_file.exists():
            raise no_space()
        real(path, value)

    monkeypatch.setattr(manifest, "write_json", write)

    def act(context: SessionContext) -> SectionOutcome:
        assert reserve_file.stat().st_size == reserve.RESERVE_BYTES
        raise no_space()

    _, result = session_bench.run(act)
    assert result.outcome.ending is KernelEnding.DISK_FULL


def test_an_event_that_does_not_fit_leaves_no_partial_line(tmp_path: Path) -> None:
    clock = FakeClock()
    path = tmp_path / EVENTS_NAME
    result = Reporter(path, echo=lambda line: None, now=clock.now, monotonic=clock.monotonic)
    result.event("first", steps=1)
    sound = path.read_bytes()

    class Full(io.StringIO):
        def flush(self) -> None:
            with path.open("ab") as stream:
                stream.write(b'{"kind": "to')
            raise no_space()

    result._stream.close()  # type: ignore[union-attr]  # not None here
    result._stream = Full()
    with pytest.raises(OSError, match="No space"):
        result.event("torn", steps=2)
    result.event("later", steps=3)
    result.close()
    assert path.read_bytes() == sound
    assert result.dropped_events == 2


def test_a_file_that_cannot_be_written_stays_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    atomic.write_json(path, {"a": 1})
    Disk(monkeypatch, 1)
    with pytest.raises(OSError, match="No space"):
        atomic.write_json(path, {"a": 2})
    assert path.read_text(encoding="utf-8") == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_of_another_encoding_survives_json(tmp_path: Path) -> None:
    import json

    name = os.fsdecode(b"/home/\xe9lan")
    atomic.write_json(tmp_path / "x.json", {"root": name, "title": "élan"})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"root": name, "title": "élan"}
