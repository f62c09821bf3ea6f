"""Listing the account's own kernels: every page is read, names match exactly, and a failed request is an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.core.errors import RemoteUnavailable
from tests.doubles.kaggle_side import KEY, USER, far_settings, kaggle_backend, point_at_loopback
from tests.emulator.kernels import Kernel
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

MINE = "arz-validation-section-7-6-"


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path, settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def add_saved_kernel(kaggle: LoopbackKaggle, slug: str, owner: str = USER, *, private: bool = True) -> None:
    """Add a kernel that was saved some time ago and does not run."""
    ended = threading.Event()
    ended.set()
    request = SimpleNamespace(new_title=slug, is_private=private, enable_gpu=True, machine_shape="")
    kaggle.kernels.all[owner, slug] = Kernel(
        owner=owner,
        slug=slug,
        request=request,
        folder=kaggle.kernels.root,
        version=1,
        # A stand-in with the one method that is called.
        machine=SimpleNamespace(kill=lambda: None),  # type: ignore[arg-type]
        run_at=datetime.now(UTC) - timedelta(days=len(kaggle.kernels.all)),
        ended=ended,
    )


def test_every_page_is_read_and_names_match_exactly(kaggle: LoopbackKaggle) -> None:
    expected = {f"{MINE}{number:08x}-s01" for number in range(120)}
    for slug in expected:
        add_saved_kernel(kaggle, slug)
    for number in range(90):
        add_saved_kernel(kaggle, f"titanic-notes-{number}")
    for slug in ("arz-validation-section-7-60-00000000-s01", f"my-{MINE}00000000-s01"):
        add_saved_kernel(kaggle, slug)
    add_saved_kernel(kaggle, f"{MINE}ffffffff-s01", "bea")
    add_saved_kernel(kaggle, f"{MINE}eeeeeeee-s01", "bea", private=False)
    assert set(kaggle_backend().names(MINE)) == expected
    requests = [entry.request for entry in kaggle.journal.of("ListKernels")]
    assert len(requests) == 3 and not any(request.get("search") for request in requests)


def test_a_failed_listing_is_an_error_and_not_an_empty_list(kaggle: LoopbackKaggle) -> None:
    add_saved_kernel(kaggle, f"{MINE}00000000-s01")
    for _ in range(6):
        kaggle.faults.add("ListKernels", status=500)
    with pytest.raises(RemoteUnavailable):
        kaggle_backend().names(MINE)


def test_a_listing_whose_pages_repeat_is_an_error(kaggle: LoopbackKaggle) -> None:
    add_saved_kernel(kaggle, f"{MINE}00000000-s01")
    for _ in range(3):
        kaggle.faults.add("ListKernels", change=lambda answer: {**answer, "nextPageToken": "0"})
    with pytest.raises(RemoteUnavailable, match="pages of the listing repeat"):
        kaggle_backend().names(MINE)
