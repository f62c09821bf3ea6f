"""Objects of a user's script in `keep`: their attributes, what is named as lost, and what must be there again."""

from __future__ import annotations

import ctypes
import dataclasses
import datetime
import enum
import functools
import itertools
import json
import operator
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.kernel.training.kept_state.comparison import same_part
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.kept import Kept


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    number: float


@dataclasses.dataclass(slots=True)
class Slotted:
    number: float = 0.0
    inner: Any = None


class Box:
    """Holds anything as an attribute."""

    def __init__(self, held: Any = None) -> None:
        self.held = held

    def method(self) -> str:
        return "method"


def counter() -> tuple[Callable[[], int], Callable[[], int]]:
    count = 0

    def up() -> int:
        nonlocal count
        count += 1
        return count

    return up, lambda: count


def restored(saved: Any, fresh: Any) -> Any:
    """What was saved, restored into a fresh value; captured again it is the same."""
    before, again = Encoder(), Encoder()
    node = json.loads(json.dumps(before.part(saved, "part"), allow_nan=False))
    assert before.lost == []
    found = Decoder(before.buffers).part(node, 0, fresh)
    assert json.loads(json.dumps(again.part(found, "part"))) == node and again.buffers == before.buffers
    return found


@pytest.mark.parametrize(
    "value",
    [
        *(Color.BLUE, Bits.A | Bits.B, Frozen(2.5), Slotted(1.0, Frozen(3.0)), range(3, 9, 2), slice(1, None)),
        *(pathlib.PurePosixPath("a/b"), datetime.timedelta(1, 2, 3), datetime.datetime(2026, 1, 2, 3, 4, 5, 6)),
        *(np.dtype("f4"), torch.float64, torch.Size([2, 3]), np.tanh, np.mean, int, re, re.compile("a+")),
        *(torch.device("cpu"), datetime.date(2026, 1, 2), frozenset({1, 2}), {Color.RED: 1, Frozen: 2}),
        *(types.SimpleNamespace(a=1, b=[2]), functools.partial(max, 3), np.random.SeedSequence),
    ],
    ids=lambda value: re.sub(r" at 0x[0-9a-f]+", "", repr(value)),
)
def test_attribute_of_any_kind_is_restored_in_a_fresh_object(value: Any) -> None:
    found = restored(Box(value), Box()).held
    if isinstance(value, functools.partial):
        assert (found.func, found.args) == (max, (3,))
    else:
        assert type(found) is type(value) and found == value


@pytest.mark.parametrize(
    "value", [torch.tanh, operator.itemgetter(2), ..., lambda: 1], ids=["tanh", "itemgetter", "...", "lambda"]
)
def test_code_without_a_name_of_its_own_must_be_there_before(value: Any) -> None:
    assert restored(Box(value), Box(value)).held is value
    met = Encoder()
    met.part(Box(value), "part")
    now = Encoder(templates=met.met)
    now.part(Box(value), "part")
    now.part(Box([value]), "part")
    assert [one.partition(": ")[0] for one in now.lost] == ["part.held[0]"]


def test_attributes_are_those_that_were_saved_in_their_order() -> None:
    saved, fresh = Box(1), Box(2)
    saved.late = [1]  # type: ignore[attr-defined]  # an attribute that the class does not name
    fresh.gone = 1  # type: ignore[attr-defined]  # an attribute that the class does not name
    del saved.held
    saved.held = 3
    assert list(vars(restored(saved, fresh))) == ["late", "held"]


def test_objects_refer_to_each_other_and_to_themselves() -> None:
    saved = Box()
    saved.held = [Box(saved), {"me": saved}]
    fresh = Box()
    found = restored(saved, fresh)
    assert found is fresh and found.held[0].held is fresh and found.held[1]["me"] is fresh


def test_slots_frozen_dataclasses_and_objects_in_place() -> None:
    inner, saved = Slotted(1.0), Slotted(2.0, Frozen(0.1))
    fresh = Slotted(0.0, inner)
    found = restored(saved, fresh)
    assert found is fresh and found.inner == Frozen(0.1) and found.number == 2.0


def test_functions_that_share_a_variable_share_it_again() -> None:
    (up, read), (other_up, other_read) = counter(), counter()
    up()
    up()
    found = restored(Box([up, read]), Box([other_up, other_read]))
    assert found.held == [other_up, other_read] and other_read() == 2 and other_up() == 3 and other_read() == 3


def test_bound_methods_belong_to_the_restored_object() -> None:
    saved, fresh = Box(), Box()
    saved.held, fresh.held = [saved.method, np.random.default_rng(1).normal], [None, np.random.default_rng(2).normal]
    found = restored(saved, fresh)
    assert found.held[0].__self__ is fresh and found.held[1]() == saved.held[1]()


def test_module_keeps_what_its_state_dict_lacks() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.calls = torch.nn.Dropout(0.5), 0
            self.register_buffer("mean", torch.zeros(2), persistent=False)

    saved, fresh = Net(), Net()
    saved.calls, saved.layer.p = 7, 0.25
    saved.mean += 3
    saved.layer.eval()
    found = restored(saved, fresh)
    assert (found.calls, found.layer.p, found.layer.training, found.training) == (7, 0.25, False, True)
    assert found.mean.tolist() == [3, 3]


class Surface:
    """A picture of pygame."""

    __module__ = "pygame.surface"


@pytest.mark.parametrize("fresh", [None, [Surface()]], ids=["not drawn yet", "drawn"])
def test_objects_that_only_draw_stay_those_of_the_new_process(fresh: Any) -> None:
    saved, current = Box([Box(Surface()), [Surface(), Surface()], 5]), Box([Box(), fresh, 0])
    before, again = Encoder(), Encoder()
    node = json.loads(json.dumps(before.part(saved, "part")))
    found = Decoder(before.buffers).part(node, 0, current)
    assert before.lost == [] and found.held[0].held is None and found.held[1] is fresh and found.held[2] == 5
    assert same_part(json.loads(json.dumps(again.part(found, "part"))), again.buffers, node, before.buffers)


class Forwarding:
    """Answers every attribute that it lacks with one of the object inside."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_methods_of_an_object_inside_are_not_those_of_the_object_around() -> None:
    saved, fresh = Forwarding(np.random.RandomState(1)), Forwarding(np.random.RandomState(2))
    assert restored(saved, fresh) is fresh and type(fresh) is Forwarding
    assert fresh.inner.random() == saved.inner.random()


def test_generators_spawn_the_same_children() -> None:
    saved, fresh = np.random.default_rng(5), np.random.default_rng(5)
    saved.spawn(2)
    assert restored(saved, fresh) is fresh
    assert fresh.spawn(1)[0].random() == saved.spawn(1)[0].random()


def _endless() -> Iterator[int]:
    yield from itertools.count()


OPAQUE: dict[str, Callable[[], Any]] = {
    "open file": lambda: pathlib.Path(__file__).open(encoding="utf-8"),  # noqa: SIM115 - closed by the test
    "socket": socket.socket,
    "iterator": lambda: iter([1, 2]),
    "count": itertools.count,
    "generator function": _endless,
    "lock": threading.Lock,
    "thread": lambda: threading.Thread(target=print),
    "event": threading.Event,
    "process": lambda: subprocess.Popen([sys.executable, "-c", ""]),
    "library": lambda: ctypes.CDLL(None),
    "list of a class": lambda: type("Mine", (list,), {})([1]),
    "system generator": lambda: __import__("random").SystemRandom(),
}


@pytest.mark.parametrize("make", OPAQUE.values(), ids=OPAQUE)
def test_object_that_hides_its_state_is_named_and_the_rest_is_kept(make: Callable[[], Any]) -> None:
    held = make()
    saved, fresh = Box([1, held, {"inner": [held]}, 5]), Box([0, "fresh", {}, 0])
    encoder = Encoder()
    node = json.loads(json.dumps(encoder.part({"box": saved, "after": [7]}, "part")))
    places = [one.partition(": ")[0] for one in encoder.lost]
    assert places == ["part['box'].held[1]", "part['box'].held[2]['inner'][0]"]
    found = Decoder(encoder.buffers).part(node, 0, {"box": fresh, "after": []})
    assert found["box"] is fresh and fresh.held[:2] == [1, "fresh"] and fresh.held[3] == 5 and found["after"] == [7]
    # A library has every function of C as an attribute: its `close` without an argument closes standard input.
    if hasattr(held, "close") and not isinstance(held, ctypes.CDLL):
        held.close()
    if isinstance(held, subprocess.Popen):
        held.wait()
    os.fstat(0)  # raises if standard input is closed: the next file or socket would get its number


def test_what_is_made_in_the_training_and_cannot_be_built_again_is_named() -> None:
    class Local:
        pass

    kept, met = Kept(), set[str]()
    kept._add({"box": Box([counter()[0], Local(), torch.nn.Linear(1, 1), np.random.default_rng(1)])})
    assert kept._capture(met=met)[2] == []
    kept.box.held += [counter()[0], Local(), torch.nn.Linear(1, 1), np.random.default_rng(1)]
    lost = kept._capture(met)[2]
    assert [one.partition(": ")[0] for one in lost] == ["box.held[4]", "box.held[5]", "box.held[6]"]


def test_two_lambdas_of_one_function_differ() -> None:
    one, other = Encoder(), Encoder()
    assert one.part(Box(lambda: 1), "part") != other.part(Box(lambda: 2), "part")


def test_lists_are_not_code_even_if_they_are_defaults_of_a_function() -> None:
    def remember(value: int, seen: list[int] = []) -> list[int]:  # noqa: B006 - the case
        seen.append(value)
        return seen

    def fresh(value: int, seen: list[int] = []) -> list[int]:  # noqa: B006 - the case
        seen.append(value)
        return seen

    fresh.__code__, fresh.__qualname__ = remember.__code__, remember.__qualname__
    remember(1)
    assert restored(Box(remember), Box(fresh)).held(2) == [1, 2]
