"""Every NaN and every infinity in a tree is found, at any place and in any type of number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from orchestrator.sb3.state.finite import CHUNK_NUMBERS, describe_parts, non_finite_parts

BROKEN = [float("nan"), float("inf"), float("-inf")]
FLOATS = st.sampled_from(["<f2", "<f4", ">f4", "<f8", np.dtype(np.longdouble).str, "<c8", "<c16"])
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, max_side=5)


@st.composite
def finite_trees(draw: st.DrawFn, depth: int = 3) -> Any:
    """Trees of the types that occur in a state, with finite numbers only."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.one_of(
        finite,
        st.integers(),
        st.booleans(),
        st.none(),
        st.text(max_size=5),
        st.builds(lambda shape, kind: np.ones(shape, kind), SHAPES, FLOATS),
        st.builds(lambda kind: np.zeros((0, 3), kind), FLOATS),
        st.just(np.array(["nan"])),
        st.just(np.iinfo(np.int64).max * np.ones(3, np.int64)),
        st.builds(lambda kind: torch.ones(2, 3, dtype=kind), st.sampled_from([torch.float16, torch.bfloat16])),
    )
    if depth == 0:
        return draw(leaves)
    below = finite_trees(depth=depth - 1)
    keys = st.text(alphabet="abcdef_0", min_size=1, max_size=4)
    return draw(st.one_of(leaves, st.lists(below, max_size=3), st.dictionaries(keys, below, max_size=3)))


@settings(max_examples=60, deadline=None)
@given(finite_trees())
def test_a_finite_tree_has_no_findings(tree: Any) -> None:
    assert list(non_finite_parts(tree)) == []


@settings(max_examples=150, deadline=None)
@given(finite_trees(), FLOATS, SHAPES, st.sampled_from(BROKEN), st.data())
def test_one_non_finite_number_is_found_at_its_place(
    tree: Any, kind: str, shape: tuple[int, ...], value: float, data: st.DataObject
) -> None:
    array = np.ones(shape, kind)
    index = tuple(data.draw(st.integers(0, side - 1)) for side in shape)
    array[index] = value
    (found,) = non_finite_parts({"sound": tree, "deep": [{"down": array}]})
    assert (found.part, found.index, found.found, found.size) == ("deep.0.down", index, 1, array.size)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize("value", BROKEN)
def test_tensors_of_every_dtype_are_checked(kind: torch.dtype, value: float) -> None:
    tensor = torch.ones(3, 4, dtype=kind, requires_grad=True)
    with torch.no_grad():
        tensor[2, 1] = value
        tensor[2, 3] = value
    (found,) = non_finite_parts({"state": {0: {"exp_avg": tensor}}})
    assert (found.part, found.index, found.found, found.size) == ("state.0.exp_avg", (2, 1), 2, 12)
    assert list(non_finite_parts([torch.ones(3, dtype=torch.int64), torch.tensor(True)])) == []


def test_zero_dimensional_structured_viewed_and_scalar_numbers_are_checked() -> None:
    fields = np.zeros(3, dtype=[("place", "<f8", (2,)), ("count", "<i8")])
    fields["place"][1, 1] = np.nan
    every_other = np.ones((6, 4), np.float32)
    every_other[2, 3] = np.inf
    hidden = every_other.copy()
    hidden[1, 1] = np.nan
    tree = {
        "zero_d": np.array(np.nan),
        "fields": fields,
        "view": every_other[::2, ::3],
        "not_seen": hidden[3:],
        "python": float("-inf"),
        "numpy": np.float16("nan"),
        "complex": complex(0, float("nan")),
        "tuple": (0.9, float("nan")),
        "tensor": torch.tensor(float("nan")),
        "objects": np.array([None, "nan"], dtype=object),
    }
    assert {found.part: found.index for found in non_finite_parts(tree)} == {
        "zero_d": (),
        "fields.place": (1, 1),
        "view": (1, 1),
        "python": (),
        "numpy": (),
        "complex": (),
        "tuple.1": (),
        "tensor": (),
    }


def test_a_large_array_is_checked_to_its_last_number() -> None:
    array = np.zeros(CHUNK_NUMBERS * 3 + 1, np.float32)
    for place in (array.size - 1, CHUNK_NUMBERS, CHUNK_NUMBERS - 1):
        array[place] = np.nan
        (found,) = non_finite_parts({"large": array})
        assert found.index == (place,)
    assert found.found == 3


def test_only_declared_names_of_the_environment_may_be_non_finite() -> None:
    nan = float("nan")
    episodes = {"episode_statistics": {"episodes": [{"r": 1.0, "l": 3, "first_jam_s": nan}, {"r": nan, "l": 3}]}}
    assert [found.part for found in non_finite_parts(episodes)] == ["episode_statistics.episodes.1.r"]
    state = {"environment": {"next_arrival_s": [nan], "speed": 1.0}, "last": {"next_arrival_s": nan}}
    assert [found.part for found in non_finite_parts(state, may_be={"next_arrival_s"})] == ["last.next_arrival_s"]
    assert len(list(non_finite_parts(state))) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 40), st.data())
def test_a_row_of_a_replay_buffer_is_reported_with_the_step_that_filled_it(
    size: int, copies: int, made: int, data: st.DataObject
) -> None:
    """Rows are overwritten cyclically; the reported step is the one after which the row was written."""
    made += 1
    rewards, filled_at = np.zeros((size, copies), np.float32), {}
    for number in range(made):
        filled_at[number % size] = (number + 1) * copies
    rows = min(made, size)
    row, copy = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, copies - 1))
    rewards[row, copy] = np.nan
    pos = made % size
    training = {
        "counters": {"num_timesteps": made * copies},
        "replay_buffer": {"pos": pos, "full": made >= size, "rewards": rewards[:rows]},
    }
    text = describe_parts(list(non_finite_parts(training)), training)
    assert f"first in row {row} of environment {copy}, filled at step {filled_at[row]}: nan" in text
    rewards[:rows] = np.nan  # the oldest row is reported first, wherever the buffer starts
    text = describe_parts(list(non_finite_parts(training)), training)
    assert f"filled at step {min(filled_at.values())}: nan" in text


def test_further_parts_are_named_and_counted() -> None:
    parts = list(non_finite_parts({name: float("nan") for name in "abcde"}))
    assert describe_parts(parts) == "a is not finite (nan); so is b, c and 2 more"
    assert describe_parts(parts[:1]) == "a is not finite (nan)"
