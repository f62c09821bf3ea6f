"""Values as JSON and bytes, and back: types, sharing, order, and what cannot be kept."""

from __future__ import annotations

import json
import math
import random
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.kernel.training.kept_state.comparison import same_part
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder


def _there_and_back(value: Any, current: Any = None) -> Any:
    encoder = Encoder()
    node = json.loads(json.dumps(encoder.encode(value, "value"), allow_nan=False))
    assert encoder.lost == []
    return Decoder(encoder.buffers).decode(node, current)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -5, 2**200, -0.0, 1.1, 5e-324, math.inf, "", "é\ud800", 1 - 2j, complex(math.inf, -0.0)),
        *(b"\x00\xff", bytearray(b"ab"), (), (1, (2, [3])), [], [1, [2.5]], {}, {1: "a", "1": "b", (1, 2): None}),
        *(OrderedDict(b=1, a=2), deque([1, 2, 3], maxlen=3), deque(), {"is": "list", "of": 3}),
        *({None: 1, 2.5: 2, b"k": 3}, [float("-inf")]),
    ],
    ids=repr,
)
def test_plain_values_keep_value_type_and_order(value: Any) -> None:
    found = _there_and_back(value)
    assert (type(found), repr(found)) == (type(value), repr(value))


def test_nan_stays_nan() -> None:
    assert math.isnan(_there_and_back(math.nan))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        *(np.zeros((0, 3)), np.array(5.0), np.array([True]), np.array(["a", "bc"]), np.array([np.nan, -0.0])),
        *(np.array(["2026-01-02"], dtype="M8[D]"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(9)[::2]),
    ],
    ids=str,
)
def test_numpy_arrays_keep_bytes_dtype_and_memory_order(value: Any) -> None:
    found = _there_and_back(value)
    assert (found.dtype, found.shape, found.tobytes()) == (value.dtype, value.shape, value.tobytes())
    assert value.ndim < 2 or found.flags.f_contiguous == value.flags.f_contiguous
    assert found.flags.writeable


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(3), np.bool_(True), np.float64(-0.0)], ids=repr)
def test_numpy_numbers_keep_their_type(value: Any) -> None:
    found = _there_and_back(value)
    assert (type(found), found.tobytes()) == (type(value), value.tobytes())
    assert list(_there_and_back({value: 1})) == [value]


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.complex64, torch.uint8]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
def test_tensors_keep_bytes_and_dtype(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = torch.ones(shape, dtype=dtype)
    found = _there_and_back(value)
    assert found.dtype == dtype and found.shape == value.shape and torch.equal(found, value)


def test_arrays_are_filled_in_place_and_shared_ones_stay_shared() -> None:
    array, tensor = np.zeros(3), torch.nn.Parameter(torch.zeros(3))
    assert _there_and_back(np.arange(3.0), array) is array and array.tolist() == [0, 1, 2]
    assert _there_and_back(torch.arange(3.0), tensor) is tensor and tensor.requires_grad
    row = [1]
    found = _there_and_back({"a": row, "b": row, "c": [1]})
    assert found["a"] is found["b"] and found["a"] is not found["c"]


def test_one_row_that_became_three_is_not_filled_three_times() -> None:
    row = np.zeros(1)
    found = _there_and_back([np.array([1.0]), np.array([2.0]), np.array([3.0])], [row, row, row])
    assert [one[0] for one in found] == [1, 2, 3]


def test_list_that_holds_itself_is_kept() -> None:
    value: list[Any] = [1]
    value.append(value)
    found = _there_and_back(value)
    assert found[1] is found


def test_lists_and_dicts_shrink_and_grow_in_place() -> None:
    old: list[int] = [9, 9, 9]
    assert _there_and_back([1], old) is old and old == [1]
    table = {"gone": 1}
    assert _there_and_back({"a": 1, "b": 2}, table) is table and table == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "make",
    [
        lambda: random.Random(3),
        lambda: np.random.default_rng(3),
        lambda: np.random.Generator(np.random.MT19937(3)),
        lambda: np.random.Generator(np.random.Philox(3)),
        lambda: np.random.RandomState(3),
        lambda: np.random.PCG64(3),
    ],
    ids=["random", "pcg64", "mt19937", "philox", "legacy", "bit_generator"],
)
def test_generators_continue(make: Any) -> None:
    def draw(one: Any) -> Any:
        method = "random_raw" if hasattr(one, "random_raw") else "random"
        return [getattr(one, method)() for _ in range(5)]

    used, fresh = make(), make()
    draw(used)
    assert _there_and_back({"rng": used}, {"rng": fresh})["rng"] is fresh
    assert draw(fresh) == draw(used)


@pytest.mark.parametrize(
    "value",
    [
        lambda: 1,
        object(),
        np.array([object()]),
        np.ma.masked_array([1]),
        torch.ones(2).to_sparse(),
        {object(): 1},
        dict,
    ],
    ids=["function", "object", "objects", "masked", "sparse", "key", "class"],
)
def test_what_cannot_be_kept_is_named_with_its_place(value: Any) -> None:
    from orchestrator.kernel.training.kept_state.kept import Kept

    kept = Kept()
    kept._add({"part": value, "other": [1, value]})
    parts, _, lost = kept._capture()
    assert lost[0].startswith("part: ") and parts["part"]["lost"]
    assert lost[1].startswith("other[1]: ") and parts["other"]["lost"]


def test_object_whose_state_holds_a_function_is_lost_as_a_whole() -> None:
    class Agent:
        def state_dict(self) -> dict[str, Any]:
            return {"a": 1, "b": print}

        def load_state_dict(self, state: Any) -> None:
            raise AssertionError

    encoder = Encoder()
    agent = Agent()
    node = encoder.encode(agent, "agent")
    assert encoder.lost[0].startswith("agent['b']: ")
    assert Decoder([]).decode(node, agent) is agent


def test_sets_are_kept_but_their_order_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    encoder = Encoder()
    node = encoder.encode({"c", "a", "b"}, "seen")
    assert encoder.lost == ["seen: the order of a set; use a dict or a sorted list"]
    assert Decoder([]).decode(node) == {"a", "b", "c"}


@pytest.mark.parametrize("value", [{3, 1, 2}, {2**40, 0.5, True}, frozenset({8, 0})], ids=repr)
def test_sets_of_numbers_keep_their_order(value: Any) -> None:
    assert list(_there_and_back(value)) == list(value)


def test_missing_object_is_an_error() -> None:
    encoder = Encoder()
    node = encoder.encode(torch.nn.Linear(1, 1), "agent")
    with pytest.raises(ValueError, match="object with state_dict"):
        Decoder(encoder.buffers).decode(node, 3)


def test_comparison_finds_one_changed_byte() -> None:
    one, other = Encoder(), Encoder([b"before"])
    node, again = one.encode([1.0, np.zeros(2)], "a"), other.encode([1.0, np.zeros(2)], "a")
    assert same_part(node, one.buffers, again, other.buffers)
    assert not same_part(node, one.buffers, again, [b"before", b"\x01" * 16])
    assert not same_part(1, [], True, [])
