"""The statistics file beside a model is read back bit for bit, and any other content is refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.checkpoint.normalization_file import (
    RunningStatistics,
    SavedNormalization,
    normalization_path,
    read_normalization,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.none() | st.floats(0.0, 1e12)


@st.composite
def statistics(draw: st.DrawFn, *, of_observations: bool) -> RunningStatistics:
    """Statistics with scalar, one-dimensional or two-dimensional mean and variance."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    row, variances = st.lists(FINITE, min_size=columns, max_size=columns), st.floats(0.0, 1e300)
    if not of_observations:
        return RunningStatistics(mean=draw(FINITE), var=draw(variances), count=draw(COUNTS))
    row_of_variances = st.lists(variances, min_size=columns, max_size=columns)
    if draw(st.booleans()):
        return RunningStatistics(mean=draw(row), var=draw(row_of_variances), count=draw(COUNTS))
    mean, var = ([draw(each) for _ in range(rows)] for each in (row, row_of_variances))
    return RunningStatistics(mean=mean, var=var, count=draw(COUNTS))


@st.composite
def normalizations(draw: st.DrawFn) -> SavedNormalization:
    norm_obs, positive = draw(st.booleans()), st.floats(0.0, exclude_min=True, allow_nan=False)
    return SavedNormalization(
        model_sha256=hashlib.sha256(b"model").hexdigest(),
        norm_obs=norm_obs,
        norm_reward=draw(st.booleans()),
        clip_obs=draw(positive),
        clip_reward=draw(positive),
        gamma=draw(st.floats(0.0, 1.0)),
        epsilon=draw(st.floats(0.0, 1.0)),
        obs_rms=draw(statistics(of_observations=True)) if norm_obs else None,
        ret_rms=draw(st.none() | statistics(of_observations=False)),
    )


SAVED = SavedNormalization(
    model_sha256=hashlib.sha256(b"model").hexdigest(),
    norm_obs=True,
    norm_reward=True,
    clip_obs=10.0,
    clip_reward=float("inf"),
    gamma=0.97,
    epsilon=1e-8,
    obs_rms=RunningStatistics(mean=[0.1, 2.0], var=[1.0, 0.0], count=100.0001),
    ret_rms=RunningStatistics(mean=-3.0, var=2.0, count=50.0),
)


def write_pair(folder: Path, content: bytes, model: bytes = b"model") -> Path:
    path = folder / "a.v2.zip"
    path.write_bytes(model)
    normalization_path(path).write_bytes(content)
    return path


@given(normalizations())
def test_statistics_are_read_back_bit_for_bit(saved: SavedNormalization) -> None:
    content = saved.to_bytes()
    assert SavedNormalization.from_bytes(content) == saved
    assert SavedNormalization.from_bytes(content).to_bytes() == content
    json.loads(content, parse_constant=pytest.fail)  # JSON has no infinity: strict readers must accept the file


def test_the_file_is_beside_the_zip_with_its_whole_stem(tmp_path: Path) -> None:
    path = write_pair(tmp_path, SAVED.to_bytes())
    assert (tmp_path / "a.v2.vecnormalize.json").is_file()
    assert read_normalization(path) == SAVED


def test_the_statistics_of_another_model_are_refused(tmp_path: Path) -> None:
    path = write_pair(tmp_path, SAVED.to_bytes(), model=b"other")
    with pytest.raises(ValueError, match="belongs to another model"):
        read_normalization(path)


@pytest.mark.parametrize("missing", ["a.v2.zip", "a.v2.vecnormalize.json"])
def test_a_missing_file_of_the_pair_is_named(tmp_path: Path, missing: str) -> None:
    path = write_pair(tmp_path, SAVED.to_bytes())
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        read_normalization(path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "pickle"},
        {"version": 2},
        {"obs_rms": None},
        {"norm_obs": False},
        {"obs_rms": {"mean": [0.1, 2.0], "var": [1.0], "count": 1.0}},
        {"obs_rms": {"mean": [0.1, "2"], "var": [1.0, 1.0], "count": 1.0}},
        {"obs_rms": {"mean": [0.1, [2.0]], "var": [1.0, 1.0], "count": 1.0}},
        {"obs_rms": {"mean": [0.1, 2.0], "var": [1.0, -1.0], "count": 1.0}},
        {"obs_rms": {"mean": [0.1, 2.0]}},
        {"ret_rms": {"mean": 0.0, "var": float("nan"), "count": 1.0}},
        {"epsilon": "much"},
        {"unknown": 1},
    ],
)
def test_statistics_that_cannot_normalize_are_refused_with_the_file_name(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    plain = {**json.loads(SAVED.to_bytes()), **change}
    path = write_pair(tmp_path, json.dumps(plain).encode())
    with pytest.raises(ValueError, match=r"a\.v2\.vecnormalize\.json cannot be read"):
        read_normalization(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{}", b"[" * 100_000])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_normalization(write_pair(tmp_path, content))
