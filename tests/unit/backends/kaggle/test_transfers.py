"""Single transfers with faults: ranges, encodings, missing lengths, endless bodies, redirects."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from orchestrator.backends.kaggle.client import connection
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.connection import BearerAuth, Connection, bounded
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.streams import Streams
from orchestrator.backends.kaggle.session.download import MOST_BYTES, confined, download
from orchestrator.kernel.wire import FileEntry
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

CONTENT = bytes(range(256)) * 1000
ENTRY = FileEntry(path="a", size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


@dataclass
class Ticking:
    """The parts of a connection that streams need; each look at the clock moves it by a second."""

    endpoint: str
    session: requests.Session = field(default_factory=lambda: bounded(requests.Session()))
    passed_s: float = 0.0
    _secret: str = ""
    fault = Connection.fault

    def now(self) -> datetime:
        self.passed_s += 1.0
        return datetime.fromtimestamp(self.passed_s, UTC)


@dataclass
class Transfer:
    """One file of 256 kB on a loopback service, and its description."""

    kaggle: LoopbackKaggle
    folder: Path
    streams: Streams
    entry: FileEntry = ENTRY

    def get(self, *, begun: bytes = b"") -> bool:
        """Download it, after a beginning that an earlier call has left."""
        source = self.folder / "source"
        source.write_bytes(CONTENT)
        target = self.folder / "target" / "a"
        if begun:
            name = hashlib.sha256(b"a").hexdigest()[:16]
            target.parent.mkdir(exist_ok=True)
            (target.parent / f".{name}.orchestrator-partial").write_bytes(begun)
        got = download(cast(KaggleApi, self.streams), self.kaggle.signed.give(source), target, self.entry)
        assert not got or target.read_bytes() == CONTENT
        return got


@pytest.fixture
def transfer(tmp_path: Path) -> Iterator[Transfer]:
    with loopback_kaggle(tmp_path / "kaggle", port=0) as kaggle:
        kaggle.accounts.add("ana", key="k")
        streams = Streams(cast(Connection, Ticking(kaggle.signed.base + "/api/v1")))
        yield Transfer(kaggle, tmp_path, streams)


def test_an_interrupted_transfer_is_continued(transfer: Transfer) -> None:
    assert transfer.get(begun=CONTENT[:70_000])
    assert transfer.kaggle.journal.of("download")[-1].bytes_out == len(CONTENT) - 70_000


@pytest.mark.parametrize("stated", [None, "bytes 0-255999/256000", "bytes 5-9/10", "bytes " + "9" * 5000, "items 1-2"])
def test_a_range_that_is_not_honoured_damages_nothing(transfer: Transfer, stated: str | None) -> None:
    transfer.kaggle.faults.add("download", ignore_range=True, headers={"Content-Range": stated})
    try:
        first = transfer.get(begun=CONTENT[:70_000])
    except ServiceFault as fault:
        first = False
        assert fault.transient
    assert first is (stated == "bytes 0-255999/256000")
    assert transfer.get()


@pytest.mark.parametrize("status", [400, 416, 501, 403])
def test_a_refused_range_is_begun_again(transfer: Transfer, status: int) -> None:
    transfer.kaggle.faults.add("download", status=status)
    with pytest.raises(ServiceFault):
        transfer.get(begun=CONTENT[:70_000])
    assert transfer.get()

    assert transfer.kaggle.journal.of("download")[-1].bytes_out == len(CONTENT)


def test_no_compressed_form_is_asked_for_and_one_that_comes_is_read(transfer: Transfer) -> None:
    asked: list[str] = []
    transfer.kaggle.faults.add("download", damage=gzip.compress, headers={"Content-Encoding": "gzip"})
    send = requests.Session.send

    def noted(session: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        asked.append(request.headers.get("Accept-Encoding", ""))
        return send(session, request, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", noted)
        assert transfer.get()
    assert asked == ["identity"]


def test_a_false_encoding_is_a_fault_that_may_pass(transfer: Transfer) -> None:
    transfer.kaggle.faults.add("download", headers={"Content-Encoding": "gzip"})
    with pytest.raises(ServiceFault) as fault:
        transfer.get()
    assert fault.value.transient
    assert transfer.get()


def test_a_body_without_a_length_is_checked_by_its_digest(transfer: Transfer) -> None:
    transfer.kaggle.faults.add("download", headers={"Content-Length": None})
    transfer.kaggle.faults.add("download", headers={"Content-Length": None}, truncate=True)
    assert transfer.get()
    (transfer.folder / "target" / "a").unlink()
    assert not transfer.get()


def test_an_endless_file_is_cut_off_at_its_promised_size(transfer: Transfer) -> None:
    transfer.kaggle.faults.add("download", endless=b"x" * (1 << 16))
    assert not transfer.get()
    assert transfer.kaggle.flooded_bytes < 32 << 20
    assert list((transfer.folder / "target").iterdir()) == []


def test_a_size_that_kaggle_cannot_keep_is_not_even_asked_for(transfer: Transfer) -> None:
    transfer.entry = FileEntry(path="a", size_bytes=MOST_BYTES + 1, sha256="0" * 64)
    assert not transfer.get()
    assert transfer.kaggle.journal.of("download") == []


@pytest.mark.parametrize("piece", [b": still here\n", b'data: {"data": "line\\n"}\n', b"\n"])
def test_an_endless_live_log_is_left_after_the_given_time(transfer: Transfer, piece: bytes) -> None:
    transfer.kaggle.faults.add("log", endless=piece)
    events = list(transfer.streams.log_events("ana", "x", most_s=20.0))
    assert len(events) <= 21 and transfer.kaggle.flooded_bytes < 32 << 20


def test_an_endless_answer_is_cut_off(transfer: Transfer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_ANSWER_BYTES", 1 << 20)
    session = bounded(requests.Session())
    for stream in (False, True):
        transfer.kaggle.faults.add("Anything", endless=b'{"a": 1, ' * 5000)
        with pytest.raises(requests.RequestException):
            session.post(f"{transfer.kaggle.signed.base}/api/v1/x/Anything", json={}, stream=stream)
    assert transfer.kaggle.flooded_bytes < 64 << 20


def test_a_redirect_to_another_host_carries_no_token(transfer: Transfer) -> None:
    seen: list[tuple[str, bool]] = []
    port = transfer.kaggle.signed.base.rpartition(":")[2]
    session = bounded(requests.Session())
    session.auth = BearerAuth("t0ken")
    adapter = session.get_adapter("http://x")
    send = adapter.send

    def noted(request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        seen.append((str(request.url), "Authorization" in request.headers))
        return send(request, *args, **kwargs)

    adapter.send = noted  # type: ignore[method-assign]  # replaced for this test
    transfer.kaggle.faults.add("Anything", redirect=f"http://127.0.0.1:{port}/signed/elsewhere")
    session.post(f"{transfer.kaggle.signed.base}/api/v1/x/Anything", json={})
    assert [carries for _, carries in seen] == [True, False]
    assert seen[1][0].startswith("http://127.0.0.1")


def test_a_redirect_takes_no_password_out_of_netrc(
    transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login ana password correct-horse-42\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    test_a_redirect_to_another_host_carries_no_token(transfer)


def test_an_error_that_repeats_the_token_is_masked() -> None:
    token = "oauth-9f1c07d2b3a84e65a0c4"
    answer = requests.Response()
    answer.status_code, answer._content = 401, f'{{"message": "token {token} has expired"}}'.encode()
    fault = cast("Any", Ticking(endpoint="", _secret=token)).fault("push", answer, "")
    assert token not in str(fault) + fault.message and "has expired" in fault.message


@pytest.mark.parametrize("name", ["con", "NUL.txt", "a/Aux.json", "lpt9", "end.", "end ", "a /b", "com1.tar.gz"])
def test_names_that_windows_changes_are_refused_there(name: str) -> None:
    assert not confined(name, windows=True)
    assert confined(name, windows=False)


@pytest.mark.parametrize("name", ["console.txt", "a/b.json", "null", "com10", ".hidden", "étape 1.csv"])
def test_usual_names_are_accepted_everywhere(name: str) -> None:
    assert confined(name, windows=True) and confined(name, windows=False)


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/x", "a/../../x", "C:x", "a\\b", "a\0b", "half\udc80"])
def test_names_that_lead_out_are_refused_everywhere(name: str) -> None:
    assert not confined(name, windows=False)
