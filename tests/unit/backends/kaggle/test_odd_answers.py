"""Invalid headers, pages and sizes in Kaggle's answers are bounded and raise no unexpected exception."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.client.errors import ServiceFault, http_date, retry_after_s
from orchestrator.backends.kaggle.client.log_parser import event_of_sse, lines_of_log
from orchestrator.backends.kaggle.client.mapping import OutputFile, OutputPage
from orchestrator.backends.kaggle.session.download import download
from orchestrator.backends.kaggle.session.listing import list_outputs
from orchestrator.kernel.wire import FileEntry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("99999999999999999999", 86_400.0),
        ("9" * 5000, 86_400.0),
        ("7", 7.0),
        ("²", None),
        ("٣", None),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2099 00:00:30 GMT", 86_400.0),
        ("Thu, 01 Jan 1999 00:00:30 GMT", 0.0),
        ("Thu, 99 Foo 99999 99:99:99 GMT", None),
    ],
)
def test_a_requested_wait_is_bounded(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.text())
def test_any_header_gives_a_bounded_wait_or_none(header: str) -> None:
    wait_s = retry_after_s(header, NOW)
    assert wait_s is None or 0.0 <= wait_s <= 86_400.0
    read = http_date(header)
    assert read is None or read.tzinfo is not None


class Pages:
    """A listing whose page tokens follow each other by a table."""

    def __init__(self, following: dict[str, str]) -> None:
        self.following, self.calls = following, 0

    def output_page(self, owner: str, slug: str, token: str) -> OutputPage:
        self.calls += 1
        file = OutputFile(path=f"file-{token or 'first'}", url="")
        return OutputPage(files=(file,), log="", next_token=self.following.get(token, ""))


@given(st.dictionaries(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "a", "b", "c"])))
def test_repeating_pages_are_read_once(following: dict[str, str]) -> None:
    pages = Pages(following)
    listing = list_outputs(cast(KaggleApi, pages), "ana", "x")
    assert pages.calls == len(listing.files) <= 4


class Endless:
    """A download that never ends; it counts the pieces that were read."""

    def __init__(self) -> None:
        self.pieces_read = 0

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        yield False, self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        while True:
            self.pieces_read += 1
            yield b"x" * 1024


@pytest.mark.parametrize("promised", [True, False])
def test_a_download_stops_at_its_promised_or_largest_size(tmp_path: Path, promised: bool) -> None:
    endless = Endless()
    entry = FileEntry(path="a", size_bytes=3000, sha256=hashlib.sha256(b"").hexdigest())
    limits: dict[str, Any] = {"expected": entry} if promised else {"expected": None, "most_bytes": 3000}
    assert not download(cast(KaggleApi, endless), "", tmp_path / "a", **limits)
    assert endless.pieces_read == 3
    assert list(tmp_path.iterdir()) == []


def test_deeply_nested_logs_are_read_as_plain_text() -> None:
    deep = "[" * 100_000
    assert lines_of_log(deep) == [deep]
    assert event_of_sse(f"data: {deep}") == {"data": deep + "\n"}


@pytest.mark.parametrize(
    "odd",
    [
        {"files": [{"fileName": 5, "url": "u"}]},
        {"files": [{"fileName": ["b"], "url": {}}]},
        {"files": [{"fileName": "b", "url": None}]},
        {"files": [{"url": "u"}]},
        {"files": [[]]},
        {"files": "x"},
        {"log": 5},
        {"log": ["a"]},
        {"log": None},
        {"nextPageToken": 7},
    ],
    ids=str,
)
def test_an_odd_entry_of_a_listing_hides_no_other(odd: dict[str, Any]) -> None:
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputResponse

    good = {"fileName": "a", "url": "http://x/a"}
    files = odd.get("files", [])
    plain = {**odd, "files": [good, *files] if isinstance(files, list) else files}
    answers = [ApiListKernelSessionOutputResponse.from_dict(plain), ApiListKernelSessionOutputResponse.from_dict({})]
    service = SimpleNamespace(
        list_kernel_session_output=lambda request: answers.pop(0) if len(answers) > 1 else answers[0]
    )
    kernels = SimpleNamespace(kernels_api_client=service)
    asked = SimpleNamespace(client=SimpleNamespace(kernels=kernels), ask=lambda what, call: call())
    api = KaggleApi(cast(Any, asked), "ana", cast(Any, lambda call: call()))
    listing = list_outputs(api, "ana", "x")
    assert ("a" in listing.files) is isinstance(files, list)
    assert isinstance(listing.log, str) and all(isinstance(path, str) for path in listing.files)


@pytest.mark.parametrize("follow", [lambda number: "AB"[number % 2], str], ids=["in a circle", "ever new"])
def test_listings_of_datasets_and_kernels_without_an_end_are_an_error(follow: Callable[[int], str]) -> None:
    pages: list[int] = []

    def page(request: Any) -> SimpleNamespace:
        pages.append(1)
        return SimpleNamespace(dataset_files=(), kernels=(), next_page_token=follow(len(pages)))

    calls = SimpleNamespace(list_dataset_files=page, list_kernels=page)
    client = SimpleNamespace(
        kernels=SimpleNamespace(kernels_api_client=calls), datasets=SimpleNamespace(dataset_api_client=calls)
    )
    asked = cast(Any, SimpleNamespace(client=client, ask=lambda what, call: call()))
    at_once = cast(Any, lambda call: call())
    with pytest.raises(ServiceFault, match="pages of the listing repeat"):
        DatasetsApi(asked, "ana", at_once).listing("x")
    with pytest.raises(ServiceFault, match="pages of the listing repeat"):
        list(KaggleApi(asked, "ana", at_once).kernel_slugs())
    assert len(pages) <= 2000
