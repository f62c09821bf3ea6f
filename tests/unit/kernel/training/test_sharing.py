"""Values that are lost beside shared ones, memory order, counters, and dicts with a factory."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.kernel.training.kept_state.comparison import same_part
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.kept import Kept


def _kept(**parts: Any) -> Kept:
    kept = Kept()
    kept._add(parts)
    return kept


def _there_and_back(saved: Kept, current: Kept) -> list[str]:
    """Restore all parts of one into another; what was lost."""
    parts, buffers, lost = json.loads(json.dumps(saved._capture()[0])), *saved._capture()[1:]
    decoder = Decoder(buffers)
    for name, part in parts.items():
        setattr(current, name, decoder.part(part["value"], part["first"], getattr(current, name)))
    return lost


class _Unkept:
    def state_dict(self) -> dict[str, Any]:
        return {"a": [1], "array": np.zeros(3), "function": print}

    def load_state_dict(self, state: Any) -> None:
        raise AssertionError


@pytest.mark.parametrize("unkept", [np.array([print]), _Unkept(), random.SystemRandom(), print], ids=type)
def test_lost_value_does_not_change_what_follows_it(unkept: Any) -> None:
    row = [7]
    current = _kept(first=[None], second=None)
    lost = _there_and_back(_kept(first=[unkept, unkept, row, row, [8]], second=np.ones(2)), current)
    assert len(lost) == 2 and lost[0].startswith("first[0]") and lost[1].startswith("first[1]")
    assert current.first[2:] == [row, row, [8]] and current.first[2] is current.first[3]
    assert current.second.tolist() == [1, 1]


def test_part_with_a_key_that_is_lost_is_lost_as_a_whole() -> None:
    current = _kept(first=3, second=None)
    lost = _there_and_back(_kept(first=[[1], {object(): 2}], second=[4]), current)
    assert len(lost) == 1 and (current.first, current.second) == (3, [4])


def test_two_parts_that_began_as_one_array_become_two() -> None:
    array = np.zeros(2)
    current = _kept(weights=array, best=array)
    _there_and_back(_kept(weights=np.array([5.0, 5.0]), best=np.array([1.0, 1.0])), current)
    assert current.weights is array and array.tolist() == [5, 5] and current.best.tolist() == [1, 1]


def test_two_parts_that_share_a_row_share_it_again() -> None:
    row = np.ones(2)
    current = _kept(memory=[], last=None)
    _there_and_back(_kept(memory=[row], last=row), current)
    assert current.memory[0] is current.last


def test_shared_object_is_missing_where_its_part_is_not_restored_yet() -> None:
    row = [1]
    parts, buffers, _ = _kept(memory=[row], last=row)._capture()
    with pytest.raises(ValueError, match="shares an object"):
        Decoder(buffers).part(parts["last"]["value"], parts["last"]["first"], None)


@pytest.mark.parametrize(
    "value",
    [
        np.asfortranarray(np.arange(9.0).reshape(3, 3)),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
    ],
    ids=["fortran", "102", "201"],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_order_in_memory_is_kept(value: Any, fresh: bool) -> None:
    current = _kept(a=None if fresh else np.zeros(value.shape))
    _there_and_back(_kept(a=value), current)
    assert current.a.strides == value.strides and np.array_equal(current.a, value)


def test_view_of_the_script_is_filled_in_place() -> None:
    whole = np.zeros(6)
    current = _kept(a=whole[::2])
    _there_and_back(_kept(a=np.arange(6.0)[::2]), current)
    assert whole.tolist() == [0, 0, 2, 0, 4, 0]


def test_tensor_keeps_its_memory_format_and_an_expanded_one_is_replaced() -> None:
    value = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    current = _kept(a=None, b=torch.zeros(1).expand(4))
    _there_and_back(_kept(a=value, b=torch.ones(1).expand(4)), current)
    assert current.a.stride() == value.stride() and torch.equal(current.a, value)
    assert current.b.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("value", [np.str_(""), np.bytes_(b""), np.array("", dtype="U5")[()]], ids=repr)
def test_empty_text_of_numpy_is_kept(value: Any) -> None:
    current = _kept(a=None)
    _there_and_back(_kept(a=value), current)
    assert (type(current.a), current.a) == (type(value), value)


def test_scheduler_with_milestones_and_counters_are_kept() -> None:
    def scheduler() -> torch.optim.lr_scheduler.MultiStepLR:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 2, 4])

    used, fresh, counted = scheduler(), scheduler(), Counter()
    used.optimizer.step()
    used.step()
    current = _kept(schedule=fresh, seen=counted)
    assert _there_and_back(_kept(schedule=used, seen=Counter("aab")), current) == []
    assert fresh.state_dict() == used.state_dict() and isinstance(fresh.milestones, Counter)
    assert current.seen is counted and counted == Counter(a=2, b=1)


def test_dict_with_a_factory_is_kept_with_it() -> None:
    def table() -> Any:
        return defaultdict(lambda: defaultdict(lambda: np.zeros(2)))

    used, fresh = table(), table()
    used[1]["a"][0] = 5
    plain = defaultdict(list, {3: [1]})
    current = _kept(table=fresh, plain=None)
    assert _there_and_back(_kept(table=used, plain=plain), current) == []
    assert current.table is fresh and fresh[1]["a"].tolist() == [5, 0] and fresh[1]["new"].tolist() == [0, 0]
    assert current.plain == plain and current.plain.default_factory is list


def test_dict_with_a_function_that_the_script_lacks_is_an_error() -> None:
    parts, buffers, _ = _kept(table=defaultdict(lambda: 1))._capture()
    with pytest.raises(ValueError, match="defaultdict with a function"):
        Decoder(buffers).part(parts["table"]["value"], 0, {})


def test_capture_again_with_the_numbers_of_the_save_is_equal() -> None:
    row = [1]
    parts, buffers, _ = _kept(a=[row], b=[row, [2]])._capture()
    again = Encoder()
    again.part([row], "a")
    again.count = parts["b"]["first"]
    assert same_part(again.part([row, [2]], "b"), again.buffers, parts["b"]["value"], buffers)
    assert not same_part(again.part([[1], [2]], "b"), again.buffers, parts["b"]["value"], buffers)


def test_row_of_an_array_stays_a_row_of_it() -> None:
    rows, newer = np.zeros((3, 2)), np.zeros((3, 2))
    current = _kept(rows=newer, newest=None, same=newer[1])
    _there_and_back(_kept(rows=rows, newest=rows[2], same=rows[1]), current)
    current.rows[:] = 5
    assert current.newest.tolist() == [5, 5] and current.same.tolist() == [5, 5]


def test_tensor_that_is_no_longer_a_part_of_another_differs() -> None:
    rows = torch.zeros(3, 2)
    saved = _kept(rows=rows, newest=rows[2])._capture()[0]
    apart = _kept(rows=rows, newest=rows[2].clone())._capture()[0]
    assert "shares" in saved["newest"]["value"] and "shares" not in apart["newest"]["value"]


def test_part_of_a_tensor_becomes_one_where_the_script_has_two() -> None:
    rows = torch.arange(6.0).reshape(3, 2)
    saved = _kept(rows=rows, newest=rows[2], turned=rows.T)
    current = _kept(rows=torch.zeros(3, 2), newest=torch.zeros(2), turned=torch.zeros(2, 3))
    _there_and_back(saved, current)
    assert current.newest.tolist() == [4, 5] and current.turned.tolist() == rows.T.tolist()
    current.rows[2] = 7
    assert current.newest.tolist() == [7, 7] and current.turned[:, 2].tolist() == [7, 7]


def test_part_of_a_tensor_that_another_one_cannot_hold_is_a_tensor_of_its_own() -> None:
    rows = torch.arange(6.0).reshape(3, 2)
    current = _kept(newest=torch.zeros(2), rows=torch.zeros(3, 2))
    _there_and_back(_kept(newest=rows[2], rows=rows), current)
    assert current.rows.tolist() == rows.tolist() and current.newest.tolist() == [4, 5]


def test_part_at_another_place_of_an_array_does_not_damage_it() -> None:
    rows, newer = np.arange(6.0).reshape(3, 2), np.zeros((3, 2))
    current = _kept(rows=newer, newest=newer[0], own=newer[1])
    _there_and_back(_kept(rows=rows, newest=rows[2], own=np.full(2, 9.0)), current)
    assert current.rows is newer and newer.tolist() == rows.tolist()
    assert current.newest.tolist() == [4, 5] and current.own.tolist() == [9, 9]
    newer[2] = 7
    assert current.newest.tolist() == [7, 7]
