import io
import json
import math
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from readings import fingerprint

from orchestrator.sb3.state.npz_tree import TREE_MEMBER, read_state, write_state

scalars = st.none() | st.booleans() | st.text(max_size=8) | st.integers() | st.floats() | st.integers(0, 2**200)
dtypes = st.sampled_from(["<f4", ">f8", "<i8", "u1", "?", "<U3", "<c16"])
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
trees = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
marks = st.sampled_from(["$array", "$float64", "$dict", "$"])


def bits(value: Any) -> Any:
    """Make equality strict: compare types and the bits of floats."""
    if isinstance(value, dict):
        return {name: bits(item) for name, item in value.items()}
    if isinstance(value, list):
        return [bits(item) for item in value]
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    return (type(value), struct.pack(">d", value) if isinstance(value, float) else value)


def round_trip(tree: dict[str, Any], path: Path) -> dict[str, Any]:
    write_state(path, tree)
    return read_state(path)


@given(tree=st.dictionaries(st.text(max_size=4) | marks, trees, max_size=4))
def test_any_tree_is_read_back_bit_for_bit_and_written_as_the_same_bytes(
    tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")
    found = round_trip(tree, folder / "a.state.npz")
    assert bits(found) == bits(tree)
    write_state(folder / "b.state.npz", found)
    assert (folder / "a.state.npz").read_bytes() == (folder / "b.state.npz").read_bytes()


@pytest.mark.parametrize("mark", ["$array", "$float64", "$dict"])
def test_keys_that_equal_our_own_markers_are_read_back(mark: str, tmp_path: Path) -> None:
    tree = {"inner": {mark: "7ff0000000000000"}}
    assert round_trip(tree, tmp_path / "s.npz") == tree


def test_order_of_keys_does_not_change_the_bytes(tmp_path: Path) -> None:
    write_state(tmp_path / "a", {"x": np.zeros(2), "y": {"p": 1, "q": np.ones(1)}})
    write_state(tmp_path / "b", {"y": {"q": np.ones(1), "p": 1}, "x": np.zeros(2)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_infinities_and_the_payload_of_a_nan_are_kept(tmp_path: Path) -> None:
    odd_nan = struct.unpack(">d", bytes.fromhex("7ff80000deadbeef"))[0]
    found = round_trip({"values": [math.inf, -math.inf, odd_nan, -0.0]}, tmp_path / "s.npz")["values"]
    assert [struct.pack(">d", value).hex() for value in found] == [
        "7ff0000000000000",
        "fff0000000000000",
        "7ff80000deadbeef",
        "8000000000000000",
    ]


def test_numpy_scalars_become_equal_python_values(tmp_path: Path) -> None:
    tree = {"a": np.int64(3), "b": np.float32(0.1), "c": np.bool_(True), "d": np.float64(0.1)}
    found = round_trip(tree, tmp_path / "s.npz")
    assert bits(found) == bits({"a": 3, "b": float(np.float32(0.1)), "c": True, "d": 0.1})


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        ((1, 2), "tuple"),
        (b"x", "bytes"),
        ({1}, "set"),
        (1j, "complex"),
        (np.timedelta64(3), "timedelta64"),
        (object(), "object"),
        (np.array([None]), "array of objects"),
    ],
)
def test_leaves_of_other_types_are_refused_with_their_place(leaf: Any, kind: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=rf"state\.a\.0.*{kind}"):
        write_state(tmp_path / "s.npz", {"a": [leaf]})


def test_keys_that_are_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="key 3"):
        write_state(tmp_path / "s.npz", {"a": {3: 1}})


def test_a_state_file_is_readable_without_this_project(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    write_state(path, {"replay": {"rewards": np.arange(3.0)}, "steps": 7})
    with np.load(path, allow_pickle=False) as plain:
        assert plain["0000-replay.rewards"].tolist() == [0.0, 1.0, 2.0]
    with zipfile.ZipFile(path) as archive:
        plain_tree = json.loads(archive.read(TREE_MEMBER))
    assert plain_tree["tree"] == {"replay": {"rewards": {"$array": "0000-replay.rewards"}}, "steps": 7}


def rewrite(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda members: members.pop(TREE_MEMBER), "cannot be read"),
        (lambda members: members.pop("0000-a.npy"), "missing"),
        (lambda members: members.update({"0001-b.npy": members["0000-a.npy"]}), "does not name"),
        (lambda members: members.update({TREE_MEMBER: b"[]"}), "not a state file"),
        (
            lambda members: members.update(
                {TREE_MEMBER: members[TREE_MEMBER].replace(b'"version": 1', b'"version": 2')}
            ),
            "state version 2",
        ),
        (lambda members: members.update({"0000-a.npy": b"\x93NUMPY"}), "cannot be read"),
    ],
)
def test_a_damaged_file_is_a_value_error(change: Any, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    write_state(path, {"a": np.zeros(3)})
    rewrite(path, change)
    with pytest.raises(ValueError, match=fault):
        read_state(path)


def test_a_truncated_file_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    write_state(path, {"a": np.zeros(300)})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="cannot be read"):
        read_state(path)


def test_a_pickle_inside_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    write_state(path, {"a": np.zeros(3)})
    np.save(tmp_path / "evil.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    rewrite(path, lambda members: members.update({"0000-a.npy": (tmp_path / "evil.npy").read_bytes()}))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_state(path)


FIELDS = {
    (1, 0): np.dtype([("plain", "<f4"), ("b", "<i8", (2,))]),
    (3, 0): np.dtype([("état", "<f4"), ("速度\\'\"", "<i8"), ("b", [("ü€😀", "u1")])]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("version", [(1, 0), (3, 0)])
def test_a_structured_array_is_read_back_in_every_format_of_numpy(version: tuple[int, int], tmp_path: Path) -> None:
    array = np.zeros(3, dtype=FIELDS[version])
    array[array.dtype.names[0]] = [1.5, -2.0, 3.25]  # type: ignore[index]  # a structured dtype has names
    found = round_trip({"a": array}, tmp_path / "s.npz")["a"]
    assert found.dtype == array.dtype and found.tobytes() == array.tobytes()
    with zipfile.ZipFile(tmp_path / "s.npz") as archive:
        content = archive.read("0000-a.npy")
    assert np.lib.format.read_magic(io.BytesIO(content)) == version
    path, own = tmp_path / "other.npz", {"a": array}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.save(tmp_path / "plain.npy", array)
    assert (tmp_path / "plain.npy").read_bytes() == content
    write_state(path, own)
    assert path.read_bytes() == (tmp_path / "s.npz").read_bytes()


@pytest.mark.parametrize(
    "header",
    [
        *(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3", b"\xff\xfe", b"", b"[1]", b"{}"),
        *(b"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", b"__import__('os')", b"(" * 9_000),
        *(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,)}", "{'é': 1}".encode()),
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}" + b" " * 20_000,
    ],
)
def test_a_damaged_header_of_the_newest_format_is_a_value_error(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    write_state(path, {"a": np.zeros(3)})
    content = b"\x93NUMPY\3\0" + len(header).to_bytes(4, "little") + header + bytes(24)
    rewrite(path, lambda members: members.update({"0000-a.npy": content}))
    with pytest.raises(ValueError, match=r"0000-a\.npy"):
        read_state(path)


def test_an_array_that_could_not_be_read_back_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    many = np.dtype([(f"field_{number:05d}", "<f4") for number in range(2_000)])
    with pytest.raises(TypeError, match=r"state\.a is an array with too many fields"):
        write_state(tmp_path / "s.npz", {"a": np.zeros(1, dtype=many)})
    some = np.zeros(1, dtype=np.dtype([(f"é_{number:03d}", "<f4") for number in range(200)]))
    assert round_trip({"a": some}, tmp_path / "s.npz")["a"].dtype == some.dtype


def test_the_fingerprint_of_these_tests_changes_with_one_bit() -> None:
    assert fingerprint({"a": np.float32([0.0])}) != fingerprint({"a": np.float32([-0.0])})
