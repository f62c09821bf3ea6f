"""A stream is read as instructions: its imports are listed, and nothing is executed."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checkpoint.pickle_scan import UNKNOWN_NAME, NotReadable, imported_names


class Evil:
    """Would make a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_what_would_be_executed_is_named_and_not_executed(tmp_path: Path, protocol: int) -> None:
    stream = pickle.dumps([Evil(tmp_path / "made"), collections.OrderedDict(a=1)], protocol=protocol)
    assert imported_names(stream) == ("collections.OrderedDict", f"{os.system.__module__}.system")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_import_nothing(protocol: int) -> None:
    plain = {"a": [1, 2.5, None, True, "x", ("y", b"z"), 10**40], "b": {"c": ["x", "x"]}, "d": []}
    assert all(name.startswith(("_codecs.", "__builtin__.")) for name in imported_names(pickle.dumps(plain, protocol)))


@given(
    st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda inner: st.lists(inner) | st.tuples(inner))
)
def test_any_plain_tree_can_be_followed_to_its_end(tree: Any) -> None:
    assert imported_names(pickle.dumps(tree, protocol=4)) == ()


def test_harmless_names_that_are_dropped_again_are_not_reported() -> None:
    deceit = b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x08builtins\x8c\x05print00\x93."
    assert imported_names(deceit) == ("os.system",)
    through_the_memo = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x8c\x01a\x8c\x01b00\x30\x30h\x00h\x01\x93."
    assert imported_names(through_the_memo) == ("os.system",)


def test_a_computed_name_is_reported_as_unknown() -> None:
    assert imported_names(b"\x80\x04N\x8c\x06system\x93.") == (UNKNOWN_NAME,)
    assert imported_names(b"\x80\x02\x82\x01.") == (UNKNOWN_NAME,)


@pytest.mark.parametrize("stream", [b"", b"not a stream", b"\x80\x04\x93.", b"\x80\x04h\x05.", b"\x80\x04\x8c\x05ab"])
def test_a_damaged_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(NotReadable):
        imported_names(stream)
