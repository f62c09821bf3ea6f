"""The pickle scan lists the imports of a stream and executes nothing."""

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
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_the_names_a_pickle_would_execute_are_listed_and_not_executed(tmp_path: Path, protocol: int) -> None:
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
def test_any_tree_of_plain_values_imports_nothing(tree: Any) -> None:
    assert imported_names(pickle.dumps(tree, protocol=4)) == ()


def test_the_imported_name_is_reported_and_not_a_decoy_that_is_popped() -> None:
    with_decoy = b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x08builtins\x8c\x05print00\x93."
    assert imported_names(with_decoy) == ("os.system",)
    through_the_memo = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x8c\x01a\x8c\x01b00\x30\x30h\x00h\x01\x93."
    assert imported_names(through_the_memo) == ("os.system",)


def test_a_computed_name_is_reported_as_unknown() -> None:
    assert imported_names(b"\x80\x04N\x8c\x06system\x93.") == (UNKNOWN_NAME,)
    assert imported_names(b"\x80\x02\x82\x01.") == (UNKNOWN_NAME,)


@pytest.mark.parametrize("stream", [b"", b"not a stream", b"\x80\x04\x93.", b"\x80\x04h\x05.", b"\x80\x04\x8c\x05ab"])
def test_a_damaged_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(NotReadable):
        imported_names(stream)
