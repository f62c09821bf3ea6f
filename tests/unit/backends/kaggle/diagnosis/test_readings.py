"""Rows of the report: decided from what was seen, and open where it was not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.backends.kaggle.client.mapping import KernelRecord
from orchestrator.backends.kaggle.diagnosis.doubts import UNDECIDED, Doubt, undecided
from orchestrator.backends.kaggle.diagnosis.probe_dataset import WHEEL, ProbeFiles
from orchestrator.backends.kaggle.diagnosis.readings import (
    cancel_check,
    dataset_check,
    image_check,
    limit_check,
    listing_check,
    log_check,
    machine_check,
    quota_check,
    report_in,
    wheel_check,
)
from orchestrator.backends.kaggle.diagnosis.watching import Watched

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SIZES = {"aa.bin": 10, WHEEL: 20}
FILES = ProbeFiles(checkpoint_sha256="cc", dataset={"aa": "aa.bin", "bb": WHEEL}, sizes=SIZES, listed=SIZES, ready=True)


def report(**found: str) -> dict[str, Any]:
    return {"found": found, "mounts": sorted(found.values()), "cpus": 4, "memory_gb": 31.3, "python": "3.11.13"}


def ended(status: str, *lines: str) -> Watched:
    return Watched(status=status, lines=list(lines))


def kernel(image: str) -> KernelRecord:
    return KernelRecord(source="", version=1, private=True, docker_image=image)


def test_every_doubt_has_words_for_staying_open() -> None:
    assert set(UNDECIDED) == set(Doubt)
    assert all(undecided(doubt).good is None and undecided(doubt).name == doubt for doubt in Doubt)


@pytest.mark.parametrize("lines", [[], ["REPORT {"], ["REPORT 3"], ["a REPORT {}"]])
def test_a_report_that_is_absent_or_torn_is_none(lines: list[str]) -> None:
    assert report_in(lines) is None


def test_a_log_in_one_piece_is_not_live() -> None:
    live = Watched(lines=["a", "b"], arrivals_s=[0.0, 5.0], stream_ended=True)
    assert log_check(live, 6.0).good  # type: ignore[union-attr]  # not None here
    at_once = Watched(lines=["a", "b"], arrivals_s=[5.0, 5.1], stream_ended=True)
    assert log_check(at_once, 6.0).good is False  # type: ignore[union-attr]  # not None here
    assert log_check(Watched(lines=["a", "b"]), 6.0) is None


def test_a_dataset_with_other_sizes_or_unpacked_files_fails() -> None:
    good = dataset_check(report(aa="datasets/u/d/aa.bin"), FILES)
    assert good is not None and good.good and "listed as sent" in good.found
    other = ProbeFiles(checkpoint_sha256="cc", dataset=FILES.dataset, sizes=SIZES, listed={"aa.bin": 9}, ready=True)
    bad = dataset_check(report(aa="datasets/u/d/aa.bin"), other)
    assert bad is not None and bad.good is False and "{'aa.bin': 9}" in bad.found and bad.remedy
    unpacked = wheel_check(report(aa="datasets/u/d/aa.bin"), FILES)
    assert unpacked is not None and unpacked.good is False and "internet: true" in unpacked.remedy


def test_rows_stay_open_without_a_report() -> None:
    assert dataset_check(None, FILES) is None and wheel_check(None, FILES) is None and machine_check(None) is None
    assert image_check(None, kernel("x")) is None


@pytest.mark.parametrize(
    ("seen", "outputs", "refusal", "good", "words"),
    [
        (ended("CANCEL_ACKNOWLEDGED"), ["checkpoints/probe.zip", "waiting.txt"], "", True, "outputs kept"),
        (ended("CANCEL_ACKNOWLEDGED"), ["waiting.txt"], "", False, "outputs lost"),
        (ended("COMPLETE", "DONE"), ["checkpoints/probe.zip", "waiting.txt"], "", False, "to its own end"),
        (ended("CANCEL_REQUESTED"), [], "", False, "still CANCEL_REQUESTED"),
        (ended("COMPLETE", "DONE"), [], "not running", False, "not running"),
    ],
)
def test_a_cancel_ends_early_and_keeps_outputs(
    seen: Watched, outputs: list[str], refusal: str, good: bool, words: str
) -> None:
    check = cancel_check(seen, outputs, asked=True, refusal=refusal)
    assert check is not None and (check.good, words in check.found) == (good, True)
    assert cancel_check(seen, outputs, asked=False, refusal="") is None


def test_a_session_that_outlived_its_limit_leaves_the_row_open() -> None:
    assert limit_check(ended("RUNNING"), []) is None
    assert limit_check(ended("COMPLETE", "DONE"), ["checkpoints/probe.zip"]) is None


def test_an_image_that_changed_fails_and_one_without_a_name_stays_open() -> None:
    changed = image_check(kernel("a"), kernel("b"))
    assert changed is not None and changed.good is False and "became b" in changed.found
    unnamed = image_check(kernel(""), kernel(""))
    assert unnamed is not None and unnamed.good is None


def test_the_listing_needs_name_and_time() -> None:
    assert listing_check("k", ["k"], NOW, NOW + timedelta(minutes=3)).good
    assert listing_check("k", ["k"], None, NOW).good is False
    assert listing_check("k", ["k"], NOW - timedelta(days=1), NOW).good is False
    assert listing_check("k", [], NOW, NOW).good is None


def test_quota_and_machine() -> None:
    assert quota_check(60.0, 60.0).good  # type: ignore[union-attr]  # not None here
    assert quota_check(60.0, 90.0).good is None  # type: ignore[union-attr]  # not None here
    assert quota_check(None, 60.0) is None
    assert machine_check(report()).good  # type: ignore[union-attr]  # not None here
    assert machine_check({**report(), "cpus": 2}).good is None  # type: ignore[union-attr]  # not None here
