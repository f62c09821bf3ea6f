"""The account's own kernels by listing: every page, exact names, and no answer is no empty answer."""

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


def stand(kaggle: LoopbackKaggle, slug: str, owner: str = USER, *, private: bool = True) -> None:
    """A kernel that was saved some time ago; nothing runs."""
    ended = threading.Event()
    ended.set()
    request = SimpleNamespace(new_title=slug, is_private=private, enable_gpu=True, machine_shape="")
    kaggle.kernels.all[owner, slug] = Kernel(
        owner=owner,
        slug=slug,
        request=request,
        folder=kaggle.kernels.root,
        version=1,
        machine=SimpleNamespace(kill=lambda: None),  # type: ignore[arg-type]
        run_at=datetime.now(UTC) - timedelta(days=len(kaggle.kernels.all)),
        ended=ended,
    )


def test_every_page_is_read_and_names_are_taken_exactly(kaggle: LoopbackKaggle) -> None:
    wanted = {f"{MINE}{number:08x}-s01" for number in range(120)}
    for slug in wanted:
        stand(kaggle, slug)
    for number in range(90):
        stand(kaggle, f"titanic-notes-{number}")
    for slug in ("arz-validation-section-7-60-00000000-s01", f"my-{MINE}00000000-s01"):
        stand(kaggle, slug)
    stand(kaggle, f"{MINE}ffffffff-s01", "bea")
    stand(kaggle, f"{MINE}eeeeeeee-s01", "bea", private=False)
    assert set(kaggle_backend().names(MINE)) == wanted
    asked = [entry.request for entry in kaggle.journal.of("ListKernels")]
    assert len(asked) == 3 and not any(request.get("search") for request in asked)


def test_no_answer_is_no_empty_listing(kaggle: LoopbackKaggle) -> None:
    stand(kaggle, f"{MINE}00000000-s01")
    for _ in range(6):
        kaggle.faults.add("ListKernels", status=500)
    with pytest.raises(RemoteUnavailable):
        kaggle_backend().names(MINE)


def test_pages_that_go_in_a_circle_come_to_an_end(kaggle: LoopbackKaggle) -> None:
    stand(kaggle, f"{MINE}00000000-s01")
    for _ in range(3):
        kaggle.faults.add("ListKernels", change=lambda answer: {**answer, "nextPageToken": "0"})
    with pytest.raises(RemoteUnavailable, match="pages of the listing repeat"):
        kaggle_backend().names(MINE)
